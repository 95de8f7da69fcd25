// SPDX-License-Identifier: Apache-2.0
// tf_idf_vectorizer{mode, min_gram_length, max_gram_length, max_skip_count, ngram_counts, ngram_indexes, pool_int64s,
// pool_strings, weights}(x [C] or [N,C]): how often each n-gram of the pool occurs in a row, with 0 to max_skip_count
// items passed over between its items; IDF: its weight where it occurs; TFIDF: its weight times that number. The pool
// holds the 1-grams, then the 2-grams, ...; ngram_counts says where each length starts.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "ops/reference_gemm.h"
#include "ops/register.h"

namespace mj {

struct TfIdfVectorizer {
  std::string mode = "TF";
  int64_t min_gram_length = 1, max_gram_length = 1, max_skip_count = 0;
  std::vector<int64_t> ngram_counts, ngram_indexes, pool_int64s;
  std::vector<std::string> pool_strings;
  std::vector<float> weights;

  static constexpr std::string_view kName = "tf_idf_vectorizer";
  static constexpr OnnxName kOnnx = {.name = "TfIdfVectorizer", .since = 9};
  static constexpr auto kFields = std::tuple{field(1, "mode", &TfIdfVectorizer::mode),
                                             field(2, "min_gram_length", &TfIdfVectorizer::min_gram_length),
                                             field(3, "max_gram_length", &TfIdfVectorizer::max_gram_length),
                                             field(4, "max_skip_count", &TfIdfVectorizer::max_skip_count),
                                             field(5, "ngram_counts", &TfIdfVectorizer::ngram_counts),
                                             field(6, "ngram_indexes", &TfIdfVectorizer::ngram_indexes),
                                             field(7, "pool_int64s", &TfIdfVectorizer::pool_int64s),
                                             field(8, "pool_strings", &TfIdfVectorizer::pool_strings),
                                             field(9, "weights", &TfIdfVectorizer::weights)};
  static constexpr bool kStrings = true;

  int64_t width() const { return *std::max_element(ngram_indexes.begin(), ngram_indexes.end()) + 1; }
  template <class Item>
  void count(std::span<const Item> row, const std::vector<Item>& pool, std::span<double> counts) const;
  InferResult infer(const InferContext& context) const;
  Result<void> reference(std::span<const Tensor> in, std::span<Tensor> out) const;
};

InferResult TfIdfVectorizer::infer(const InferContext& context) const {
  MJ_TRY(context.inputs_between(1, 1));
  MJ_TRY(context.rank_at_least(0, 1));
  const Shape& x = context.shape(0);
  if (x.size() > 2) return context.fail(fmt::format("input 0 has 1 or 2 dims, got {}", to_string(context[0].type)));
  const bool strings = context.dtype(0) == DType::string;
  if (!strings && context.dtype(0) != DType::i32 && context.dtype(0) != DType::i64) {
    return context.fail("input 0 must be strings, i32 or i64");
  }
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF") return context.fail(fmt::format("no mode '{}'", mode));
  if (min_gram_length < 1 || max_gram_length < min_gram_length || max_skip_count < 0 || max_skip_count > INT32_MAX) {
    return context.fail("gram lengths must be positive and in order, skips not negative");
  }
  const int64_t items = strings ? std::ssize(pool_strings) : std::ssize(pool_int64s);
  int64_t grams = 0;
  for (size_t n = 0; n < ngram_counts.size(); ++n) {
    const int64_t end = n + 1 < ngram_counts.size() ? ngram_counts[n + 1] : items;
    if (ngram_counts[n] < 0 || end < ngram_counts[n] || end > items) {
      return context.fail(fmt::format("ngram_counts do not fit the {} items of the pool", items));
    }
    grams += (end - ngram_counts[n]) / static_cast<int64_t>(n + 1);
  }
  if (ngram_indexes.empty() || grams > std::ssize(ngram_indexes)) {
    return context.fail(fmt::format("{} ngram_indexes for {} n-grams", ngram_indexes.size(), grams));
  }
  for (int64_t at : ngram_indexes) {
    if (at < 0 || at > INT32_MAX) return context.fail(fmt::format("ngram_indexes hold {}", at));
  }
  if (!weights.empty() && std::ssize(weights) < std::min(width(), std::ssize(ngram_indexes))) {
    return context.fail(fmt::format("{} weights for {} places", weights.size(), width()));
  }
  Shape out = x;
  out.back() = width();
  return one(DType::f32, std::move(out));
}

template <class Item>
void TfIdfVectorizer::count(std::span<const Item> row, const std::vector<Item>& pool, std::span<double> counts) const {
  size_t gram = 0;
  for (size_t n = 1; n <= ngram_counts.size(); ++n) {
    const auto begin = static_cast<size_t>(ngram_counts[n - 1]);
    const size_t end = n < ngram_counts.size() ? static_cast<size_t>(ngram_counts[n]) : pool.size();
    std::map<std::vector<Item>, size_t> places;
    for (size_t at = begin; at + n <= end; at += n, ++gram) {
      places.emplace(
          std::vector<Item>(pool.begin() + static_cast<int64_t>(at), pool.begin() + static_cast<int64_t>(at + n)),
          static_cast<size_t>(ngram_indexes[gram]));
    }
    if (static_cast<int64_t>(n) < min_gram_length || static_cast<int64_t>(n) > max_gram_length) continue;
    const size_t skips = n == 1 ? 0 : static_cast<size_t>(max_skip_count);  // between the items of one there is nothing
    for (size_t step = 1; step <= skips + 1 && (n - 1) * step < row.size(); ++step) {
      for (size_t first = 0; first + (n - 1) * step < row.size(); ++first) {
        std::vector<Item> found;
        for (size_t i = 0; i < n; ++i) found.push_back(row[first + i * step]);
        if (const auto place = places.find(found); place != places.end()) ++counts[place->second];
      }
    }
  }
}

Result<void> TfIdfVectorizer::reference(std::span<const Tensor> in, std::span<Tensor> out) const {
  const auto columns = static_cast<size_t>(in[0].dims().back()), wide = static_cast<size_t>(width());
  const size_t rows = static_cast<size_t>(out[0].size()) / wide;
  std::vector<double> y(static_cast<size_t>(out[0].size()), 0);
  const std::vector<int64_t> numbers = in[0].to_i64();
  for (size_t row = 0; row < rows; ++row) {
    const std::span<double> counts(y.data() + row * wide, wide);
    if (in[0].dtype() == DType::string) {
      count(std::span(in[0].string_data()).subspan(row * columns, columns), pool_strings, counts);
    } else {
      count(std::span(numbers).subspan(row * columns, columns), pool_int64s, counts);
    }
    for (size_t i = 0; i < wide && mode != "TF"; ++i) {
      const double weight = i < weights.size() ? static_cast<double>(weights[i]) : 1;
      counts[i] = mode == "TFIDF" ? counts[i] * weight : counts[i] > 0 ? weight : 0;
    }
  }
  narrow(y.data(), out[0].size(), out[0]);
  return {};
}

MJ_REGISTER_OP(TfIdfVectorizer)

}  // namespace mj
