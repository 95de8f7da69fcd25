// SPDX-License-Identifier: Apache-2.0
#include "ops/einsum.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ops/data_movement.h"
#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {
namespace {

// The labels of one term; `rank` of the operand tells how many axes "..." has, -1: `dots` as given.
Result<std::vector<int>> einsum_labels(std::string_view term, int64_t rank, int dots) {
  std::vector<int> labels;
  const size_t at = term.find("...");
  const bool has_dots = at != std::string_view::npos;
  const auto letters = static_cast<int64_t>(term.size()) - (has_dots ? 3 : 0);
  if (rank >= 0 && (has_dots ? letters > rank : letters != rank)) {
    return model_error("term '{}' does not fit an operand of rank {}", term, rank);
  }
  if (rank >= 0) dots = static_cast<int>(rank - letters);
  for (size_t i = 0; i < term.size(); ++i) {
    if (has_dots && i == at) {
      for (int d = dots; d > 0; --d) labels.push_back(-d);
      i += 2;
    } else if (std::isalpha(static_cast<unsigned char>(term[i]))) {
      labels.push_back(term[i]);
    } else {
      return model_error("term '{}' has a '{}' in it", term, term[i]);
    }
  }
  return labels;
}

}  // namespace

Result<EinsumTerms> einsum_terms(std::string_view equation, std::span<const int64_t> ranks) {
  std::string text;
  for (char c : equation) {
    if (c != ' ') text += c;
  }
  const size_t arrow = text.find("->");
  const std::string_view left = std::string_view(text).substr(0, arrow);
  EinsumTerms terms;
  std::map<int, int> uses;
  int dots = 0;
  for (size_t from = 0; from <= left.size();) {
    const size_t comma = std::min(left.find(',', from), left.size());
    if (terms.inputs.size() == ranks.size()) return model_error("'{}' has more terms than operands", equation);
    MJ_ASSIGN(std::vector<int> labels, einsum_labels(left.substr(from, comma - from), ranks[terms.inputs.size()], 0));
    for (int label : labels) {
      ++uses[label];
      dots = std::max(dots, -label);
    }
    terms.inputs.push_back(std::move(labels));
    from = comma + 1;
  }
  if (terms.inputs.size() != ranks.size()) return model_error("'{}' has fewer terms than operands", equation);
  if (arrow == std::string::npos) {
    for (const auto& [label, count] : uses) {  // "..." first, letters in order
      if (label < 0 || count == 1) terms.output.push_back(label);
    }
    return terms;
  }
  MJ_ASSIGN(terms.output, einsum_labels(std::string_view(text).substr(arrow + 2), -1, dots));
  std::vector<int> sorted = terms.output;
  std::sort(sorted.begin(), sorted.end());
  const bool twice = std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end();
  if (twice || !std::all_of(sorted.begin(), sorted.end(), [&](int label) { return uses.contains(label); })) {
    return model_error("the result of '{}' must have labels of its operands, each once", equation);
  }
  return terms;
}

InferResult Einsum::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 64));
  std::vector<int64_t> ranks;
  for (size_t i = 0; i < context.inputs.size(); ++i) {
    MJ_TRY(context.ranked(i));
    MJ_TRY(context.same_dtype(0, i));
    ranks.push_back(context[i].type.rank());
  }
  if (!is_float(context.dtype(0)) && !is_integer(context.dtype(0))) return context.fail("takes numbers");
  const Result<EinsumTerms> terms = einsum_terms(equation, ranks);
  if (!terms.ok()) return context.fail(terms.error().message);
  std::map<int, Dim> sizes;
  for (size_t i = 0; i < terms->inputs.size(); ++i) {
    for (size_t d = 0; d < terms->inputs[i].size(); ++d) {
      const Dim& dim = context.shape(i)[d];
      const auto [at, is_new] = sizes.try_emplace(terms->inputs[i][d], dim);
      if (!is_new) at->second = broadcast(at->second, dim);
      if (at->second.valid()) continue;
      return context.fail(
          fmt::format("dimension {} of {} does not fit the others of its label", d, to_string(context[i].type)));
    }
  }
  Shape out;
  for (int label : terms->output) out.push_back(sizes.at(label));
  return one(context.dtype(0), std::move(out));
}

Result<void> Einsum::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  std::vector<int64_t> ranks;
  for (const Tensor& x : in) ranks.push_back(x.rank());
  MJ_ASSIGN(const EinsumTerms terms, einsum_terms(equation, ranks));
  std::map<int, int64_t> sizes;
  for (size_t i = 0; i < in.size(); ++i) {
    for (size_t d = 0; d < terms.inputs[i].size(); ++d) {
      int64_t& size = sizes.try_emplace(terms.inputs[i][d], 1).first->second;
      if (in[i].dims()[d] != 1) size = in[i].dims()[d];
    }
  }
  std::vector<int> labels = terms.output;  // then those that are summed over
  for (const auto& [label, size] : sizes) {
    if (std::find(labels.begin(), labels.end(), label) == labels.end()) labels.push_back(label);
  }
  std::vector<int64_t> box;
  for (int label : labels) box.push_back(sizes.at(label));
  std::vector<std::vector<int64_t>> strides(in.size(), std::vector<int64_t>(labels.size(), 0));
  std::vector<std::vector<double>> values;
  for (size_t i = 0; i < in.size(); ++i) {
    values.push_back(widened(in[i]));
    const std::vector<int64_t> own = row_major(in[i].dims());
    for (size_t d = 0; d < own.size(); ++d) {
      const auto at = std::find(labels.begin(), labels.end(), terms.inputs[i][d]) - labels.begin();
      if (in[i].dims()[d] != 1) strides[i][static_cast<size_t>(at)] += own[d];
    }
  }
  std::vector<double> sums(static_cast<size_t>(out[0].size()), 0);
  if (product(box) > 0) {
    const std::span<const int64_t> summed = std::span<const int64_t>(box).subspan(terms.output.size());
    const int64_t each = product(summed);
    std::vector<int64_t> index(box.size(), 0);
    int64_t n = 0;
    do {
      double term = 1;
      for (size_t i = 0; i < in.size(); ++i) {
        int64_t at = 0;
        for (size_t d = 0; d < index.size(); ++d) at += index[d] * strides[i][d];
        term *= values[i][static_cast<size_t>(at)];
      }
      sums[static_cast<size_t>(n++ / each)] += term;
    } while (next_index(box, index));
  }
  narrow(sums.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(Einsum)

}  // namespace mj
