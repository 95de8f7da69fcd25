// SPDX-License-Identifier: Apache-2.0
#include "problem/rows.h"

#include <algorithm>
#include <array>

#include "ops/attention.h"
#include "ops/gemm.h"
#include "ops/plugin.h"
#include "ops/resize.h"
#include "ops/transpose.h"

namespace mj {
namespace {

// Images, one a row, and weights.
constexpr std::array kOfImages = {
    "conv",       "conv_depthwise", "conv_transpose", "quantized_conv", "planar_conv",    "max_pool", "average_pool",
    "group_norm", "instance_norm",  "batch_norm",     "depth_to_space", "space_to_depth", "lrn"};
// Along axes that fields name.
constexpr std::array kAlongAxes = {"softmax",           "log_softmax",    "hardmax",        "layer_norm",
                                   "rms_norm",          "split",          "slice_to",       "reduce_sum",
                                   "reduce_mean",       "reduce_max",     "reduce_min",     "reduce_prod",
                                   "reduce_l1",         "reduce_l2",      "reduce_log_sum", "reduce_log_sum_exp",
                                   "reduce_sum_square", "quantized_mean", "arg_max",        "arg_min"};

template <size_t N>
bool among(const Op& op, const std::array<const char*, N>& names) {
  return std::any_of(names.begin(), names.end(), [&](const char* name) { return op.is(name); });
}

// The axes that it works along, of x; nothing where it names none.
std::vector<int64_t> axes_of(const Op& op, int64_t rank) {
  std::vector<int64_t> axes;
  for (const NamedField& field : op.fields()) {
    if (field.name == "axis") axes.push_back(std::get<int64_t>(field.value));
    if (field.name == "axes") axes = std::get<std::vector<int64_t>>(field.value);
  }
  for (int64_t& axis : axes) axis += axis < 0 ? rank : 0;
  return axes;
}

class Rows {
 public:
  Rows(const Problem& problem, const std::vector<bool>& split) : problem_(problem), split_(split) {}

  bool answer() const {
    const auto anchor = static_cast<size_t>(problem_.anchor_inputs);
    if (problem_.op && !of_anchor(problem_.op, anchor)) return false;
    return broadcast(anchor, problem_.inputs.size(), problem_.outputs[0].shape.size());
  }

 private:
  bool present(size_t i) const { return i < problem_.inputs.size() && problem_.inputs[i].dtype != DType::none; }
  const Shape& shape(size_t i) const { return problem_.inputs[i].shape; }
  int64_t rank(size_t i) const { return static_cast<int64_t>(shape(i).size()); }
  bool none_split(size_t begin, size_t end) const {
    for (size_t i = begin; i < end; ++i) {
      if (split_[i]) return false;
    }
    return true;
  }
  // Of the anchor's inputs.
  bool only_first(size_t inputs) const { return inputs > 0 && split_[0] && none_split(1, inputs); }
  // Inputs [begin, end) broadcast to rows of this rank.
  bool broadcast(size_t begin, size_t end, size_t to) const {
    for (size_t i = begin; i < end; ++i) {
      if (!present(i)) continue;
      const bool reaches = shape(i).size() == to;
      if (split_[i] ? !reaches : reaches && to > 0 && shape(i)[0] != Dim(1)) return false;
    }
    return true;
  }
  bool all_split(size_t begin, size_t end) const {
    for (size_t i = begin; i < end; ++i) {
      if (present(i) && !split_[i]) return false;
    }
    return true;
  }

  bool of_anchor(const Op& op, size_t inputs) const {
    if (op.is("expand_to")) return broadcast(0, 1, problem_.outputs[0].shape.size());
    if (none_split(0, inputs)) return false;
    if (const auto* plugin = op.get_if<PluginOp>()) return plugin->rows;
    if (op.info().pointwise || op.is("cast") || op.is("quantized_add")) {
      return broadcast(0, inputs, problem_.outputs[0].shape.size());
    }
    if (among(op, kOfImages)) return only_first(inputs);
    if (among(op, kAlongAxes)) {
      const std::vector<int64_t> axes = axes_of(op, rank(0));
      const bool first = axes.empty() || std::find(axes.begin(), axes.end(), 0) != axes.end();
      return only_first(inputs) && !first && broadcast(1, inputs, shape(0).size());
    }
    if (op.is("scaled_conv")) return split_[0] && broadcast(1, 2, shape(0).size()) && none_split(2, inputs);
    if (op.is("concat")) return axes_of(op, rank(0))[0] != 0 && all_split(0, inputs);
    if (op.is("gather")) {
      const bool along_first = axes_of(op, rank(0))[0] == 0;
      return split_[0] ? !along_first && !split_[1] : along_first && split_[1];
    }
    if (op.is("rotary")) return split_[0] && broadcast(1, inputs, shape(0).size());
    if (op.is("matmul")) return of_matmul();
    if (op.is("quantized_matmul")) return only_first(inputs) && rank(0) >= 2;
    if (const auto* gemm = op.get_if<Gemm>()) {
      return split_[0] && !gemm->transA && !split_[1] && broadcast(2, inputs, 2);
    }
    if (const auto* transpose = op.get_if<Transpose>()) return transpose->order(rank(0))[0] == 0;
    if (const auto* resize = op.get_if<Resize>()) {
      return only_first(inputs) && resize->coordinate_transformation_mode != "tf_crop_and_resize" &&
             shape(0)[0] == problem_.outputs[0].shape[0];
    }
    if (const auto* attention = op.get_if<Attention>()) {
      return all_split(0, attention->mask_input()) && broadcast(attention->mask_input(), inputs, 4);
    }
    return false;
  }
  bool of_matmul() const {
    if (!split_[0] || rank(0) < 2) return false;
    if (split_[1]) return rank(0) >= 3 && rank(0) == rank(1);
    return rank(1) <= 2 || (rank(1) <= rank(0) && (rank(1) < rank(0) || shape(1)[0] == Dim(1)));
  }

  const Problem& problem_;
  const std::vector<bool>& split_;
};

}  // namespace

bool row_wise(const Problem& problem, const std::vector<bool>& split) { return Rows(problem, split).answer(); }

bool mentions(const Problem& problem, std::string_view symbol) {
  if (!problem.op) return false;
  for (const NamedField& field : problem.op.fields()) {
    const auto* texts = std::get_if<std::vector<std::string>>(&field.value);
    for (const std::string& text : texts ? *texts : std::vector<std::string>{}) {
      const Result<Dim> dim = Dim::parse(text);
      if (dim.ok() && dim->symbols().contains(std::string(symbol))) return true;
    }
  }
  return false;
}

}  // namespace mj
