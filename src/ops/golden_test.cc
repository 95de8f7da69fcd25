// SPDX-License-Identifier: Apache-2.0
// Runs test/ops/*.txt. Each case is a line of what to do, "----", and the lines that come out:
//   eval   elu {alpha=0.5}  f32[2] {-1, inf}      runs the reference; numbers are compared to 1e-4
//   infer  concat {axis=0}  i64[1] {N} i64[2]     types, and contents where known; symbols may stand in both
//   error  elu  i64[2]                            the message, of running if every input has values, else of inferring
// `none` is an absent input or result; sequences are `seq(f32[N])` and `seq(f32) {f32[1] {1}, f32[2] {1, 2}}`. A case
// may run over several lines; "#" begins a comment.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>

#include "ops/op.h"

namespace mj {
namespace {

struct Cursor {
  std::string_view text;

  void skip() {
    while (!text.empty() && (std::isspace(static_cast<unsigned char>(text[0])) || text[0] == ','))
      text.remove_prefix(1);
  }
  bool take(char c) {
    skip();
    if (text.empty() || text[0] != c) return false;
    text.remove_prefix(1);
    return true;
  }
  bool done() {
    skip();
    return text.empty();
  }
  std::string until(std::string_view stops) {
    skip();
    int depth = 0;  // parentheses of a Dim
    bool quoted = false;
    size_t n = 0;
    for (; n < text.size(); ++n) {
      if (text[n] == '"') quoted = !quoted;
      if (quoted) continue;
      if (text[n] == '(') ++depth;
      if (depth == 0 && stops.find(text[n]) != std::string_view::npos) break;
      if (text[n] == ')') --depth;
    }
    std::string word(text.substr(0, n));
    text.remove_prefix(n);
    while (!word.empty() && word.back() == ' ') word.pop_back();
    return word;
  }
  std::vector<std::string> list(char open, char close) {
    EXPECT_TRUE(take(open)) << "expected " << open << " at: " << text;
    std::vector<std::string> items;
    while (!take(close) && !text.empty()) items.push_back(until(std::string{',', close}));
    return items;
  }
};

double number(const std::string& word) {
  if (word == "true") return 1;
  if (word == "false") return 0;
  char* end = nullptr;
  const double value = std::strtod(word.c_str(), &end);
  EXPECT_TRUE(end && *end == 0) << "not a number: " << word;
  return value;
}

Dim dim(const std::string& word) {
  Result<Dim> parsed = Dim::parse(word);
  EXPECT_TRUE(parsed.ok()) << "not a dimension: " << word;
  return parsed.ok() ? *parsed : Dim::invalid();
}

Tensor tensor_of(const Type& type, const std::vector<std::string>& words) {
  std::vector<int64_t> dims;
  for (const Dim& d : *type.shape) dims.push_back(d.constant().value());
  Tensor tensor = Tensor::zeros(type.dtype, dims);
  EXPECT_EQ(static_cast<size_t>(tensor.size()), words.size()) << to_string(type);
  if (static_cast<size_t>(tensor.size()) != words.size()) return tensor;
  for (size_t i = 0; i < words.size(); ++i) {
    if (type.dtype == DType::string) {
      const bool quoted = words[i].size() >= 2 && words[i][0] == '"';
      tensor.mutable_string_data()[i] = quoted ? words[i].substr(1, words[i].size() - 2) : words[i];
      continue;
    }
    dispatch(type.dtype, [&]<class T>() {
      if constexpr (std::is_integral_v<T> && sizeof(T) == 8) {
        tensor.mutable_data<T>()[i] =
            static_cast<T>(std::is_signed_v<T> ? std::stoll(words[i]) : std::stoull(words[i]));
      } else if constexpr (std::is_arithmetic_v<T>) {
        tensor.mutable_data<T>()[i] = static_cast<T>(number(words[i]));
      } else {
        tensor.mutable_data<T>()[i] = static_cast<T>(static_cast<float>(number(words[i])));
      }
    });
  }
  return tensor;
}

struct Item {
  Type type;
  std::optional<std::vector<std::string>> values;
  std::optional<std::vector<Item>> items;  // of a sequence with its contents

  bool numeric() const {
    if (items || (values && type.dtype == DType::string)) return true;
    const auto is_number = [](const std::string& w) {
      return w == "true" || w == "false" || Dim::parse(w)->is_constant();
    };
    return values && (is_float(type.dtype) || std::all_of(values->begin(), values->end(), is_number));
  }
  Tensor tensor() const {
    if (!items) return values ? tensor_of(type, *values) : Tensor();
    std::vector<Tensor> tensors;
    for (const Item& each : *items) tensors.push_back(each.tensor());
    return Tensor::sequence(type.dtype, std::move(tensors));
  }
  ValueInfo info() const {
    if (numeric()) return ValueInfo::of(tensor());
    ValueInfo info = ValueInfo::of(type);
    if (values) {
      info.contents.emplace();
      for (const std::string& word : *values) info.contents->push_back(dim(word));
    }
    return info;
  }
};

Item item(Cursor& at) {
  const std::string word = at.until("[ \n,");
  if (word == "none") return {};
  if (word.starts_with("seq(") || word.starts_with("opt(")) {
    const std::string inside = word.substr(4, word.size() - 5);
    Cursor inner{inside};
    const Type element = item(inner).type;
    Item out{word[0] == 's' ? Type::sequence(element) : element.as_optional(), std::nullopt, std::nullopt};
    if (!at.take('{')) return out;
    out.items.emplace();
    while (!at.take('}') && !at.done()) out.items->push_back(item(at));
    return out;
  }
  const std::optional<DType> dtype = parse_dtype(word);
  EXPECT_TRUE(dtype) << "not a type: " << word;
  Item out;
  Shape shape;
  bool ranked = !at.done();  // "seq(f32)" says nothing of dims
  for (const std::string& d : ranked ? at.list('[', ']') : std::vector<std::string>{}) {
    if (d == "?") {
      ranked = false;
    } else {
      shape.push_back(dim(d));
    }
  }
  out.type = ranked ? Type::tensor(dtype.value_or(DType::f32), shape) : Type::unranked(dtype.value_or(DType::f32));
  at.skip();
  if (!at.text.empty() && at.text[0] == '{') out.values = at.list('{', '}');
  return out;
}

FieldValue field_value(Cursor& at, const FieldValue& like) {
  const auto unquoted = [](std::string word) {
    return word.size() >= 2 && word[0] == '"' ? word.substr(1, word.size() - 2) : word;
  };
  if (std::holds_alternative<Tensor>(like)) {
    const Item i = item(at);
    return tensor_of(i.type, i.values.value_or(std::vector<std::string>{}));
  }
  if (std::holds_alternative<std::vector<int64_t>>(like)) {
    std::vector<int64_t> out;
    for (const std::string& word : at.list('[', ']')) out.push_back(std::stoll(word));
    return out;
  }
  if (std::holds_alternative<std::vector<float>>(like)) {
    std::vector<float> out;
    for (const std::string& word : at.list('[', ']')) out.push_back(static_cast<float>(number(word)));
    return out;
  }
  if (std::holds_alternative<std::vector<std::string>>(like)) {
    std::vector<std::string> out;
    for (const std::string& word : at.list('[', ']')) out.push_back(unquoted(word));
    return out;
  }
  const std::string word = at.until(",}");
  if (std::holds_alternative<int64_t>(like)) return static_cast<int64_t>(std::stoll(word));
  if (std::holds_alternative<float>(like)) return static_cast<float>(number(word));
  if (std::holds_alternative<bool>(like)) return word == "true";
  if (std::holds_alternative<DType>(like)) return parse_dtype(word).value_or(DType::none);
  return unquoted(word);
}

Result<Op> parse_op(Cursor& at) {
  const std::string name = at.until(" {\n");
  const OpInfo* info = find_op(name);
  if (!info) return model_error("no operator {}", name);
  const std::vector<NamedField> defaults = info->make({})->fields();
  std::vector<std::string> names;
  std::vector<NamedField> fields;
  names.reserve(32);  // the fields point to them
  if (at.take('{')) {
    while (!at.take('}') && !at.done()) {
      names.push_back(at.until("="));
      at.take('=');
      const auto like =
          std::find_if(defaults.begin(), defaults.end(), [&](const auto& f) { return f.name == names.back(); });
      if (like == defaults.end()) return model_error("{} has no field {}", name, names.back());
      fields.push_back({0, names.back(), field_value(at, like->value)});
    }
  }
  return make_op(name, fields);
}

// Changes operators and their inputs at random.
class Nonsense {
 public:
  explicit Nonsense(uint32_t seed) : random_(seed) {}

  int64_t number(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  template <class T>
  T pick(std::initializer_list<T> all) {
    return *(all.begin() + number(0, std::ssize(all) - 1));
  }

  Tensor tensor() {
    if (number(0, 15) == 0) return Tensor();
    const DType dtype = pick({DType::f32, DType::f32, DType::f32, DType::i64, DType::i64, DType::i32, DType::boolean,
                              DType::f16, DType::u8, DType::f64, DType::i8});
    std::vector<int64_t> dims(static_cast<size_t>(pick({0, 1, 1, 2, 2, 3, 4, 5})));
    for (int64_t& dim : dims) dim = pick({0, 1, 1, 2, 2, 2, 3, 4});
    Tensor out = Tensor::zeros(dtype, dims);
    dispatch(dtype, [&]<class T>() {
      for (T& x : out.mutable_data<T>()) x = static_cast<T>(static_cast<float>(number(-3, 5)));
    });
    if (dtype == DType::i64 && out.size() > 0 && number(0, 7) == 0) {
      out.mutable_data<int64_t>()[0] = pick({INT64_MAX, INT64_MIN, int64_t{1} << 40});
    }
    return out;
  }

  // Mostly the tensor itself; else its like with one dim, the type or an element changed, or another one.
  Tensor changed(const Tensor& tensor) {
    if (tensor.is_sequence() && number(0, 2) == 0) {
      std::vector<Tensor> items = tensor.items();
      for (Tensor& item : items) item = changed(item);
      std::erase_if(items, [&](const Tensor& item) { return item.dtype() != tensor.dtype() || number(0, 3) == 0; });
      return number(0, 7) == 0 ? Tensor() : Tensor::sequence(tensor.dtype(), std::move(items));
    }
    if (!tensor.present() || tensor.is_sequence() || tensor.dtype() == DType::string || number(0, 2) > 0) return tensor;
    std::vector<int64_t> dims = tensor.dims();
    const int64_t what = number(0, 4);
    if (what == 0) return this->tensor();
    if (what == 1 && !dims.empty()) dims[static_cast<size_t>(number(0, std::ssize(dims) - 1))] = number(0, 3);
    if (what == 2) dims.insert(dims.begin(), 1);
    Tensor out =
        Tensor::zeros(what == 3 ? pick({DType::i64, DType::i32, DType::f32, DType::boolean}) : tensor.dtype(), dims);
    const std::vector<double> values = tensor.to_f64();
    dispatch(out.dtype(), [&]<class T>() {
      const std::span<T> to = out.mutable_data<T>();
      for (size_t i = 0; i < to.size(); ++i) {
        to[i] =
            static_cast<T>(static_cast<float>(values.empty() ? 0 : std::clamp(values[i % values.size()], 0.0, 100.0)));
      }
      if (to.empty() || what != 4) return;
      to[static_cast<size_t>(number(0, std::ssize(to) - 1))] = static_cast<T>(static_cast<float>(number(0, 9)));
      if constexpr (std::is_same_v<T, int64_t>) {
        if (number(0, 2) == 0) to[0] = pick({INT64_MAX, INT64_MIN, int64_t{1} << 40, int64_t{-1}});
      }
    });
    return out;
  }

  FieldValue field(const FieldValue& standard) {
    if (number(0, 2) > 0) return standard;
    if (std::holds_alternative<int64_t>(standard))
      return pick({int64_t{0}, int64_t{1}, int64_t{2}, int64_t{-1}, int64_t{3}, INT64_MAX, INT64_MIN});
    if (std::holds_alternative<float>(standard)) return pick({0.0f, 1.0f, -1.0f, 1e30f});
    if (std::holds_alternative<bool>(standard)) return number(0, 1) == 1;
    if (std::holds_alternative<std::vector<int64_t>>(standard)) {
      std::vector<int64_t> list(static_cast<size_t>(number(0, 4)));
      for (int64_t& x : list) x = number(0, 20) == 0 ? pick({INT64_MAX, INT64_MIN, int64_t{-5}}) : number(-1, 3);
      return list;
    }
    if (std::holds_alternative<std::string>(standard)) {
      return pick<std::string>({"SAME_UPPER", "linear", "cubic", "reflect", "wrap", "bidirectional", "reverse", "qkv",
                                "bhsd", "add", "align_corners", "tf_crop_and_resize", "not_larger", "tanh", "?"});
    }
    return standard;
  }

 private:
  std::mt19937 random_;
};

void expect_close(const Tensor& want, const Tensor& got) {
  ASSERT_EQ(name(want.dtype()), name(got.dtype()));
  ASSERT_EQ(want.is_sequence(), got.is_sequence());
  if (want.is_sequence()) {
    ASSERT_EQ(want.items().size(), got.items().size()) << to_string(got);
    for (size_t i = 0; i < want.items().size(); ++i) expect_close(want.items()[i], got.items()[i]);
    return;
  }
  ASSERT_EQ(want.dims(), got.dims()) << to_string(got);
  if (!is_float(want.dtype())) {
    EXPECT_TRUE(identical(want, got)) << "got " << to_string(got, 1000);
    return;
  }
  const std::vector<double> a = want.to_f64(), b = got.to_f64();
  for (size_t i = 0; i < a.size(); ++i) {
    const bool same = a[i] == b[i] || (std::isnan(a[i]) && std::isnan(b[i])) ||
                      std::fabs(a[i] - b[i]) <= 1e-4 * std::fabs(a[i]) + 1e-6;
    EXPECT_TRUE(same) << "element " << i << " is " << b[i] << "\ngot " << to_string(got, 1000);
  }
}

std::string collapsed(const std::string& text) {
  std::string out;
  for (char c : text) {
    if (!std::isspace(static_cast<unsigned char>(c))) {
      out += c;
    } else if (!out.empty() && out.back() != ' ') {
      out += ' ';
    }
  }
  while (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

std::string describe(const ValueInfo& info) {
  if (!info.present()) return "none";
  std::string out = to_string(info.type);
  return info.contents ? fmt::format("{} {{{}}}", out, fmt::join(*info.contents, ", ")) : out;
}

void run_case(const std::string& before, const std::string& after) {
  Cursor at{before};
  const std::string verb = at.until(" ");
  Result<Op> op = parse_op(at);
  if (!op.ok()) {
    EXPECT_EQ(verb, "error") << op.error().message;
    EXPECT_EQ(collapsed(after), collapsed(op.error().message));
    return;
  }
  std::vector<Item> inputs;
  while (!at.done()) inputs.push_back(item(at));
  std::vector<Item> expected;
  Cursor rest{after};
  while (verb != "error" && !rest.done()) expected.push_back(item(rest));
  const auto evaluable = [](const Item& i) { return i.type.dtype == DType::none || i.numeric(); };

  if (verb == "eval" || (verb == "error" && std::all_of(inputs.begin(), inputs.end(), evaluable))) {
    std::vector<Tensor> tensors;
    for (const Item& i : inputs) tensors.push_back(i.tensor());
    Result<std::vector<Tensor>> got = evaluate(*op, tensors, std::max<int>(1, static_cast<int>(expected.size())));
    if (verb == "error") {
      ASSERT_FALSE(got.ok()) << to_string((*got)[0]);
      EXPECT_EQ(collapsed(after), collapsed(got.error().message));
      return;
    }
    ASSERT_TRUE(got.ok()) << got.error().message;
    ASSERT_EQ(expected.size(), got->size());
    for (size_t i = 0; i < expected.size(); ++i) {
      const bool wanted = expected[i].values || expected[i].items || expected[i].type.dtype == DType::none;
      if (!wanted) continue;
      expect_close(expected[i].tensor(), (*got)[i]);
    }
    return;
  }
  std::vector<ValueInfo> infos;
  for (const Item& i : inputs) infos.push_back(i.info());
  int count = 0;
  const InferContext context{
      .op = op->name(),
      .inputs = infos,
      .outputs = std::max<int>(1, static_cast<int>(expected.size())),
      .fresh = [&](std::string_view hint) {
        return Dim::symbol(count++ == 0 ? std::string(hint) : fmt::format("{}.{}", hint, count - 1));
      }};
  const InferResult got = op->infer(context);
  if (verb == "error") {
    ASSERT_FALSE(got.ok()) << describe((*got)[0]);
    EXPECT_EQ(collapsed(after), collapsed(got.error().message));
    return;
  }
  ASSERT_EQ(verb, "infer");
  ASSERT_TRUE(got.ok()) << got.error().message;
  std::string text;
  for (const ValueInfo& info : *got) text += (text.empty() ? "" : " ") + describe(info);
  EXPECT_EQ(collapsed(after), text);
}

// Whatever a model says, an operator answers or complains; it never crashes or reads elsewhere.
void survive(const std::string& before, Nonsense& nonsense) {
  Cursor at{before};
  at.until(" ");
  const Result<Op> op = parse_op(at);
  if (!op.ok()) return;
  std::vector<Tensor> tensors;
  while (!at.done()) {
    const Item i = item(at);
    tensors.push_back(i.numeric() ? i.tensor() : Tensor());
  }
  for (int round = 0; round < 100; ++round) {
    std::vector<NamedField> fields = op->fields();
    for (NamedField& field : fields) field.value = nonsense.field(field.value);
    std::vector<Tensor> inputs;
    for (const Tensor& tensor : tensors) inputs.push_back(nonsense.changed(tensor));
    const Result<std::vector<Tensor>> result =
        evaluate(*op->info().make(fields), inputs, static_cast<int>(nonsense.number(1, 3)));
    EXPECT_TRUE(result.ok() || !result.error().message.empty());
  }
}

using Case = std::function<void(const std::string& before, const std::string& after)>;

void for_each_case(const std::filesystem::path& path, const Case& run_case) {
  std::ifstream in(path);
  std::string line, before, after;
  bool second = false;
  int number = 0, first = 1;
  const auto finish = [&] {
    if (!collapsed(before).empty()) {
      SCOPED_TRACE(fmt::format("{}:{}\n{}", path.filename().string(), first, before));
      run_case(before, after);
    }
    before.clear();
    after.clear();
    second = false;
  };
  while (std::getline(in, line)) {
    ++number;
    if (line.starts_with("#")) continue;
    if (line == "----") {
      second = true;
    } else if (second && collapsed(line).empty()) {
      finish();
    } else {
      if (!second && collapsed(before).empty()) first = number;
      (second ? after : before) += line + "\n";
    }
  }
  finish();
}

std::vector<std::string> golden_files() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(MJ_SOURCE_DIR "/test/ops")) {
    names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class Golden : public testing::TestWithParam<std::string> {};

std::string file(const std::string& name) { return fmt::format("{}/test/ops/{}.txt", MJ_SOURCE_DIR, name); }

TEST_P(Golden, Ops) { for_each_case(file(GetParam()), run_case); }

TEST_P(Golden, SurvivesNonsense) {
  Nonsense nonsense(5);
  for_each_case(file(GetParam()), [&](const std::string& before, const std::string&) { survive(before, nonsense); });
}

INSTANTIATE_TEST_SUITE_P(Ops, Golden, testing::ValuesIn(golden_files()), [](const auto& info) { return info.param; });

}  // namespace
}  // namespace mj
