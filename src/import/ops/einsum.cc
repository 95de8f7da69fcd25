// SPDX-License-Identifier: Apache-2.0
// Einsum of one operand is a sum and a transposition; of two, a product of matrices, unless a label of one operand
// alone is summed over:
//   a as [batch..., rows..., 1..., row, k]   b as [batch..., 1..., columns..., k, column]
// where labels of both and of the result are batches, of both alone k, of one and the result rows or columns. The rest
// is left to the operator.
#include "ops/einsum.h"

#include <algorithm>

#include "import/ops/irregular.h"

namespace mj::onnx {
namespace {

using Labels = std::vector<int>;

bool has(const Labels& labels, int label) { return std::find(labels.begin(), labels.end(), label) != labels.end(); }

bool has_twice(Labels labels) {
  std::sort(labels.begin(), labels.end());
  return std::adjacent_find(labels.begin(), labels.end()) != labels.end();
}

// x with its axes, `from`, in the order of `to`, an axis of 1 where it has none of that label.
ValueId arranged(NodeImport& node, ValueId x, const Labels& from, const Labels& to) {
  std::vector<int64_t> perm, missing;
  for (size_t d = 0; d < to.size(); ++d) {
    const auto at = std::find(from.begin(), from.end(), to[d]);
    if (at == from.end()) {
      missing.push_back(static_cast<int64_t>(d));
    } else {
      perm.push_back(at - from.begin());
    }
  }
  if (!std::is_sorted(perm.begin(), perm.end())) x = node.emit(op("transpose", {{0, "perm", perm}}), {x});
  return missing.empty() ? x : node.emit(op("unsqueeze", {{0, "axes", missing}}), {x});
}

Labels joined(std::initializer_list<Labels> parts) {
  Labels all;
  for (const Labels& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// The last `n` axes as one.
ValueId merged(NodeImport& node, ValueId x, size_t rank, size_t n) {
  if (n == 1) return x;
  std::vector<int64_t> shape(rank - n, 0);
  shape.push_back(-1);
  return node.emit(op("reshape"), {x, node.integers_constant(shape)});
}

ValueId summed(NodeImport& node, ValueId x, const Labels& labels, const Labels& output) {
  std::vector<int64_t> axes;
  Labels left;
  for (size_t d = 0; d < labels.size(); ++d) {
    if (has(output, labels[d])) {
      left.push_back(labels[d]);
    } else {
      axes.push_back(static_cast<int64_t>(d));
    }
  }
  if (!axes.empty()) x = node.emit(op("reduce_sum", {{0, "axes", axes}, {0, "keepdims", false}}), {x});
  return arranged(node, x, left, output);
}

// Nothing where it is no product of matrices.
std::optional<ValueId> multiplied(NodeImport& node, const EinsumTerms& terms) {
  const Labels &a = terms.inputs[0], &b = terms.inputs[1], &output = terms.output;
  Labels batch, rows, columns, k;
  for (int label : a) {
    if (!has(b, label) && !has(output, label)) return std::nullopt;
    (!has(b, label) ? rows : has(output, label) ? batch : k).push_back(label);
  }
  for (int label : b) {
    if (has(a, label)) continue;
    if (!has(output, label)) return std::nullopt;
    columns.push_back(label);
  }
  // Names for axes of 1 that neither has.
  constexpr int kRow = 1, kColumn = 2, kDepth = 3;
  if (rows.empty()) rows.push_back(kRow);
  if (columns.empty()) columns.push_back(kColumn);
  if (k.empty()) k.push_back(kDepth);
  const Labels row{rows.back()}, column{columns.back()};
  rows.pop_back();
  columns.pop_back();
  const Labels lead = joined({batch, rows, columns});
  const size_t rank = lead.size() + 1 + k.size();
  const ValueId left = merged(node, arranged(node, node.in(0), a, joined({lead, row, k})), rank, k.size());
  ValueId right;
  if (k.size() == 1) {
    right = arranged(node, node.in(1), b, joined({lead, k, column}));
  } else {
    right = merged(node, arranged(node, node.in(1), b, joined({lead, column, k})), rank, k.size());
    std::vector<int64_t> perm;
    for (size_t d = 0; d < lead.size(); ++d) perm.push_back(static_cast<int64_t>(d));
    perm.push_back(std::ssize(lead) + 1);
    perm.push_back(std::ssize(lead));
    right = node.emit(op("transpose", {{0, "perm", perm}}), {right});
  }
  ValueId product = node.emit(op("matmul"), {left, right});
  Labels labels = joined({lead, row, column});
  std::vector<int64_t> ones;
  for (size_t d = 0; d < labels.size(); ++d) {
    if (labels[d] == kRow || labels[d] == kColumn) ones.push_back(static_cast<int64_t>(d));
  }
  if (!ones.empty()) product = node.emit(op("squeeze", {{0, "axes", ones}}), {product});
  std::erase(labels, kRow);
  std::erase(labels, kColumn);
  return arranged(node, product, labels, output);
}

}  // namespace

void import_einsum(NodeImport& node) {
  const Op whole = node.op("einsum");
  std::vector<int64_t> ranks;
  for (size_t i = 0; i < node.input_count(); ++i) ranks.push_back(node.rank(node.in(i)));
  if (node.failed()) return;
  const EinsumTerms terms = node.take(einsum_terms(node.string("equation", ""), ranks));
  if (node.failed()) return;
  const bool diagonal = std::any_of(terms.inputs.begin(), terms.inputs.end(), has_twice);
  const bool real = is_float(node.dtype(node.in(0)));
  std::optional<ValueId> result;
  if (!diagonal && real && ranks.size() == 1) result = summed(node, node.in(0), terms.inputs[0], terms.output);
  if (!diagonal && real && ranks.size() == 2) result = multiplied(node, terms);
  // A result that is the operand itself stays a node of its own.
  if (!result || *result == node.in(0)) return node.finish(whole, node.inputs());
  node.output(0, *result);
}

}  // namespace mj::onnx
