// SPDX-License-Identifier: Apache-2.0
// Constants: tensors in the sections of an engine file.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "base/tensor.h"
#include "engine/format/container.h"

namespace mj {

inline constexpr int64_t kConstantAlign = 64;  // constants begin at a multiple of it within their section
inline constexpr int kMaxRank = 64;

struct ConstantRef {
  int section = 0;  // number in the section table; 0 is the manifest, so no constant lives there
  int64_t offset = 0;
  int64_t bytes = 0;

  bool operator==(const ConstantRef&) const = default;
};

struct StoredTensor {
  DType dtype = DType::none;
  std::vector<int64_t> dims;
  ConstantRef place;

  bool operator==(const StoredTensor&) const = default;
};

// Collects tensors into sections, each of one kind and target, numbered from 1 in order of first use; a full one is
// followed by another. Equal bytes of one kind and target are stored once.
class ConstantWriter {
 public:
  StoredTensor add(SectionKind kind, int target, const Tensor& tensor);
  // The sections so far, to stand behind the manifest. Views of this writer, until the next add.
  std::vector<SectionData> sections() const;

 private:
  struct Pool {
    SectionKind kind;
    int target;
    std::vector<std::byte> bytes;
    std::map<Digest, ConstantRef> known;
  };
  std::deque<Pool> pools_;
};

// Finds tensors in sections; places and contents may be hostile.
class ConstantReader {
 public:
  // `sections` by number, the manifest first. `owner` keeps their bytes alive, and each tensor keeps `owner`.
  ConstantReader(std::vector<SectionData> sections, std::shared_ptr<const void> owner)
      : sections_(std::move(sections)), owner_(std::move(owner)) {}

  // A view of the file; strings are copied out of it. Refused: a place outside its section, in a section of another
  // kind or target, badly aligned or of another size than the dims need; elements that are none of their dtype.
  Result<Tensor> tensor(SectionKind kind, int target, const StoredTensor& stored) const;
  const std::vector<SectionData>& sections() const { return sections_; }

 private:
  std::vector<SectionData> sections_;
  std::shared_ptr<const void> owner_;
};

}  // namespace mj
