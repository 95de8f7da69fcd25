// SPDX-License-Identifier: Apache-2.0
// plugin {plugin, op, ...}(inputs): an operator that a library of the user's computes (millijoule/plugin.h).
//
// Where the plugin is not loaded, shapes are unknown, element types are as the fields say, and nothing can be computed.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "base/thread_pool.h"
#include "ops/field.h"
#include "ops/infer.h"
#include "ops/plugins.h"

namespace mj {

struct PluginOp;

// What a plugin made of a node. Immutable; any thread may use it.
class PluginInstance {
 public:
  static Result<std::shared_ptr<const PluginInstance>> make(const PluginOp& op);
  ~PluginInstance();
  PluginInstance(const PluginInstance&) = delete;
  PluginInstance& operator=(const PluginInstance&) = delete;

  const mj_operator& table() const { return *operator_.table; }
  void* raw() const { return state_; }

  // The types of all outputs. `late` gives a size that only running can tell.
  Result<std::vector<Type>> infer(std::span<const ValueInfo> inputs, int outputs,
                                  const std::function<Dim()>& late) const;
  // The request is filled in but for what every call has.
  size_t workspace_bytes(mj_run_call call) const;
  Result<void> run(mj_run_call call) const;

 private:
  PluginInstance() = default;

  PluginOperator operator_;
  void* state_ = nullptr;
  bool created_ = false;
};

// Made when first needed, once for all copies of an operator.
class LazyPluginInstance {
 public:
  Result<std::shared_ptr<const PluginInstance>> get(const PluginOp& op);

 private:
  std::mutex mutex_;
  std::shared_ptr<const PluginInstance> instance_;
};

struct PluginOp {
  std::string plugin;  // its name
  int64_t version = 1;
  std::string domain, op;
  int64_t opset = 1;                    // of the domain
  std::vector<std::string> attributes;  // attribute_text()
  std::vector<int64_t> dtypes;          // of the outputs, by number
  bool is_pure = false;                 // MJ_OPERATOR_PURE
  bool rows = false;                    // MJ_OPERATOR_ROWS
  std::shared_ptr<LazyPluginInstance> lazy = std::make_shared<LazyPluginInstance>();

  static constexpr std::string_view kName = "plugin";
  static constexpr auto kFields =
      std::tuple{field(1, "plugin", &PluginOp::plugin), field(2, "version", &PluginOp::version),
                 field(3, "domain", &PluginOp::domain), field(4, "op", &PluginOp::op),
                 field(5, "opset", &PluginOp::opset),   field(6, "attributes", &PluginOp::attributes),
                 field(7, "dtypes", &PluginOp::dtypes), field(8, "pure", &PluginOp::is_pure),
                 field(9, "rows", &PluginOp::rows)};

  InferResult infer(const InferContext& context) const;
  Result<std::vector<Tensor>> evaluate(std::span<const Tensor> in, int outputs) const;
  bool pure() const { return is_pure; }

  // Why it cannot be computed here; empty if it can.
  std::string missing() const;
  // An error where the plugin is missing, or refuses the node.
  Result<std::shared_ptr<const PluginInstance>> instance() const { return lazy->get(*this); }
  std::string label() const;  // "ort:Einsum", for people
};

// Sizes as a plugin sees them. Not for several threads.
class PluginSizes {
 public:
  explicit PluginSizes(const std::function<Dim()>* late = nullptr);
  PluginSizes(const PluginSizes&) = delete;
  PluginSizes& operator=(const PluginSizes&) = delete;

  mj_size handle(const Dim& dim);
  // invalid() where the plugin made it up.
  Dim dim(mj_size size) const;
  const mj_sizes* calls() const { return &calls_; }

 private:
  static mj_size combine(void* host, int32_t operation, mj_size a, mj_size b);
  static mj_size late(void* host);

  mj_sizes calls_;
  const std::function<Dim()>* late_;
  std::vector<Dim> dims_;
};

// What a function of a plugin writes its error to.
struct PluginMessage {
  char text[1024] = {};

  std::string str() const;  // printable; "it gave no reason" if there is none
};

// Calls `f`; an exception that leaves it, against the rules, is an error like others.
Result<void> call_plugin(const PluginMessage& message, const std::function<int()>& f);

}  // namespace mj
