// SPDX-License-Identifier: Apache-2.0
// Reads ONNX models of every opset, without libprotobuf.
//
// Small and irregular operators are decomposed here, local functions are inlined, constants and initializers become
// constant values that share the bytes of the mapped files. Shapes come from the shape rules of ops/ alone: what the
// model says about values in between is not believed. Every operator that we do not have is reported in one error.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/result.h"
#include "ir/graph.h"

namespace mj {

// Checked before memory is taken; a model beyond them is refused.
struct ImportLimits {
  int64_t nodes = 1 << 18;                     // after functions are inlined
  int64_t tensor_elements = int64_t{1} << 36;  // of one constant
  int64_t constant_bytes = int64_t{1} << 38;   // of all constants together
  int depth = 100;                             // of messages, and of calls between functions
};

struct ImportOptions {
  ImportLimits limits;
  // Nodes for ONNX Runtime to run, by name, type or domain.type. The plugin kOrtPlugin must be loaded.
  std::vector<std::string> fallback;
};

struct Model {
  Graph graph;
  std::string producer;  // "pytorch 2.4.0"
  int64_t ir_version = 0;
  int64_t opset = 0;  // of the default domain
  std::vector<std::pair<std::string, std::string>> metadata;
  // SHA-256 of the model file; where it has external data, of all digests one after another: the model's, then of each
  // file, in the order of first use, that of the bytes its tensors use.
  Digest hash{};
};

Result<Model> import_onnx(const std::string& path, const ImportOptions& options = {});

// From memory, which must stay as it is while the model or a tensor of it lives: `owner` keeps it so. External data is
// looked up beneath `directory`; without one, a model that has some is refused.
Result<Model> import_onnx_bytes(std::string_view bytes, std::shared_ptr<const void> owner,
                                const std::optional<std::string>& directory = std::nullopt,
                                const ImportOptions& options = {});

}  // namespace mj
