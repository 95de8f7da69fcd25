// SPDX-License-Identifier: Apache-2.0
#include "base/type.h"

#include <fmt/format.h>

namespace mj {

std::string to_string(const Type& type) {
  std::string dims = type.shape ? to_string(*type.shape) : "[?]";
  std::string tensor = fmt::format("{}{}", name(type.dtype), dims);
  switch (type.kind) {
    case Type::Kind::tensor:
      return tensor;
    case Type::Kind::sequence:
      return fmt::format("seq({})", tensor);
    case Type::Kind::optional:
      return fmt::format("opt({})", tensor);
  }
  return tensor;
}

}  // namespace mj
