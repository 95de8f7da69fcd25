// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "import/onnx.h"
#include "import/onnx_builder_test_util.h"

namespace mj::onnx::test {

inline Result<Model> import_model(const Bytes& bytes, const std::optional<std::string>& directory = std::nullopt,
                                  const ImportOptions& options = {}) {
  const auto owned = std::make_shared<const Bytes>(bytes);
  Result<Model> model = import_onnx_bytes(*owned, owned, directory, options);
  EXPECT_EQ(model.ok() ? verify(model->graph) : "", "");
  return model;
}

// The operators of a graph in order: "reshape; softmax {axis=1}"; or the error.
inline std::string ops_of(const Graph& graph) {
  std::string text;
  for (NodeId id : graph.order()) text += (text.empty() ? "" : "; ") + to_string(graph.node(id).op);
  return text;
}
inline std::string ops_of(const Bytes& bytes) {
  Result<Model> model = import_model(bytes);
  return model.ok() ? ops_of(model->graph) : "error: " + model.error().message;
}

// One node on inputs given as (name, dims), all f32; the output is "y".
inline Bytes one_node(int64_t opset, const std::string& op,
                      const std::vector<std::pair<std::string, std::vector<AxisDim>>>& inputs,
                      const Attributes& attributes = {}, const std::vector<Bytes>& initializers = {},
                      Strings input_names = {}) {
  GraphBuilder graph;
  const bool names_given = !input_names.empty();
  for (const auto& [name, dims] : inputs) {
    graph.input(name, dims);
    if (!names_given) input_names.push_back(name);
  }
  for (const Bytes& tensor : initializers) graph.initializer(tensor);
  return model(graph.node(op, input_names, {"y"}, attributes, "n").output("y"), opset);
}

inline std::string error_of(const Bytes& bytes) {
  Result<Model> model = import_model(bytes);
  return model.ok() ? "no error" : model.error().message;
}

inline bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace mj::onnx::test
