// SPDX-License-Identifier: Apache-2.0
// TensorReader: the tensors of a model, from the model file itself or from files beside it. Bytes are shared with the
// mapped files wherever their layout and alignment allow; every length is checked before it is believed.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "base/tensor.h"
#include "import/onnx.h"
#include "import/proto.h"

namespace mj::onnx {

// The DType of a TensorProto.DataType; unsupported for those we do not have (complex, FNUZ floats, 2-bit integers).
Result<DType> dtype_of(int64_t data_type);

class TensorReader {
 public:
  // `owner` keeps the bytes that the messages point into. External data is looked up beneath `directory`.
  TensorReader(const ImportLimits& limits, std::shared_ptr<const void> owner, std::optional<std::string> directory)
      : limits_(limits),
        owner_(std::move(owner)),
        directory_(std::move(directory)),
        bytes_left_(limits.constant_bytes) {}

  // Errors name the tensor.
  Result<Tensor> read(const TensorProto& proto);

  // What tensors have used so far of each external file, in the order of its first use: pieces in the file's order that
  // do not overlap.
  std::vector<std::vector<std::span<const std::byte>>> files() const;

 private:
  struct External {
    std::shared_ptr<const void> owner;
    std::span<const std::byte> bytes;
  };

  Result<Tensor> read_unnamed(const TensorProto& proto);
  Result<External> external(const TensorProto& proto);
  Result<std::pair<External, size_t>> open(const std::string& location);
  Result<Tensor> from_bytes(DType dtype, std::vector<int64_t> dims, int64_t elements, External data) const;

  const ImportLimits& limits_;
  std::shared_ptr<const void> owner_;
  std::optional<std::string> directory_;
  int64_t bytes_left_;
  std::map<std::string, std::pair<External, size_t>> opened_;  // with its place in used_
  std::vector<std::vector<std::span<const std::byte>>> used_;
};

}  // namespace mj::onnx
