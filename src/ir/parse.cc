// SPDX-License-Identifier: Apache-2.0
// Recursive descent over the text form (text.h); the lexer is folded in, since types and numbers are cut by context.
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <unordered_map>

#include "base/shape.h"
#include "ir/text.h"

namespace mj {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<Graph> graph() {
    MJ_TRY(expect("graph"));
    Graph graph;
    if (peek('"')) {
      MJ_ASSIGN(graph.name, string());
    }
    MJ_TRY(block(graph));
    MJ_TRY(end());
    if (std::string wrong = verify(graph); !wrong.empty()) return model_error("{}", wrong);
    return graph;
  }

  Result<Body> body() {
    Body body;
    MJ_TRY(expect("("));
    while (!take(")")) {
      if (!body.params.empty()) MJ_TRY(expect(","));
      MJ_ASSIGN(const int number, body_value(static_cast<int>(body.params.size()) + 1));
      if (number != static_cast<int>(body.params.size())) return fail("parameters are numbered from %0 on");
      MJ_TRY(expect(":"));
      MJ_ASSIGN(const DType dtype, this->dtype());
      body.params.push_back(dtype);
    }
    MJ_TRY(expect("{"));
    while (!take("return")) {
      MJ_ASSIGN(const int number, body_value(body.values() + 1));
      if (number != body.values()) return fail(fmt::format("the next value is %{}", body.values()));
      MJ_TRY(expect("="));
      MJ_TRY(instruction(body));
      take(";");
    }
    do {
      MJ_ASSIGN(const int result, body_value(body.values()));
      body.results.push_back(result);
    } while (take(","));
    take(";");
    MJ_TRY(expect("}"));
    return body;
  }

  Result<Type> type() {
    for (const bool is_sequence : {true, false}) {
      if (!take(is_sequence ? "seq(" : "opt(")) continue;
      MJ_ASSIGN(const Type inner, this->type());
      if (inner.is_optional() || (is_sequence && inner.is_sequence())) {
        return fail("a sequence holds tensors, an optional a tensor or a sequence");
      }
      MJ_TRY(expect(")"));
      return is_sequence ? Type::sequence(inner) : inner.as_optional();
    }
    MJ_ASSIGN(const DType dtype, this->dtype());
    MJ_TRY(expect("["));
    if (take("?")) {
      MJ_TRY(expect("]"));
      return Type::unranked(dtype);
    }
    MJ_ASSIGN(Shape dims, this->dims());
    return Type::tensor(dtype, std::move(dims));
  }

  Result<void> end() {
    skip();
    return at_ == text_.size() ? Result<void>() : Result<void>(fail("nothing more was expected"));
  }

 private:
  using Scope = std::unordered_map<std::string, ValueId>;

  // --- lexer

  Error fail(std::string what) const {
    const std::string_view before = text_.substr(0, at_);
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const size_t column = at_ - (before.rfind('\n') == std::string_view::npos ? 0 : before.rfind('\n') + 1) + 1;
    const std::string_view rest = text_.substr(at_, text_.find('\n', at_) - at_);
    return model_error("line {}, column {}: {}, got '{}'", line, column, what, rest.substr(0, 40));
  }

  Error fail_at(size_t at, std::string what) {
    at_ = at;
    return fail(std::move(what));
  }

  void skip() {
    while (at_ < text_.size()) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (std::isspace(static_cast<unsigned char>(text_[at_]))) {
        ++at_;
      } else {
        return;
      }
    }
  }

  static bool is_word(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }

  bool peek(char c) {
    skip();
    return at_ < text_.size() && text_[at_] == c;
  }

  // A token that ends in a letter must not run on into a longer word.
  bool take(std::string_view token) {
    skip();
    if (!text_.substr(at_).starts_with(token)) return false;
    const size_t after = at_ + token.size();
    if (is_word(token.back()) && after < text_.size() && is_word(text_[after])) return false;
    at_ = after;
    return true;
  }

  Result<void> expect(std::string_view token) {
    if (take(token)) return {};
    return fail(fmt::format("expected '{}'", token));
  }

  Result<std::string> word() {
    skip();
    const size_t from = at_;
    while (at_ < text_.size() && is_word(text_[at_])) ++at_;
    if (at_ == from) return fail("expected a name");
    return std::string(text_.substr(from, at_ - from));
  }

  Result<std::string> string() {
    MJ_TRY(expect("\""));
    std::string out;
    for (; at_ < text_.size(); ++at_) {
      char c = text_[at_];
      if (c == '"') {
        ++at_;
        return out;
      }
      if (c == '\\' && at_ + 1 < text_.size()) {
        c = text_[++at_];
        if (c == 'n') c = '\n';
      }
      out += c;
    }
    return fail("the string has no end");
  }

  template <class T>
  Result<T> number() {
    skip();
    T value{};
    const auto [end, wrong] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (wrong != std::errc()) return fail("expected a number");
    at_ = static_cast<size_t>(end - text_.data());
    return value;
  }

  Result<DType> dtype() {
    const size_t from = at_;
    MJ_ASSIGN(const std::string text, word());
    if (std::optional<DType> dtype = parse_dtype(text)) return *dtype;
    return fail_at(from, "expected an element type");
  }

  // Dimensions up to the closing ']'.
  Result<Shape> dims() {
    Shape dims;
    if (take("]")) return dims;
    for (;;) {
      skip();
      const size_t from = at_;
      bool in_quotes = false;
      for (int depth = 0; at_ < text_.size(); ++at_) {
        const char c = text_[at_];
        if (c == '"') in_quotes = !in_quotes;
        if (in_quotes) continue;
        if (c == '(') ++depth;
        if (c == ')') --depth;
        if (depth == 0 && (c == ',' || c == ']')) break;
      }
      Result<Dim> dim = Dim::parse(text_.substr(from, at_ - from));
      if (!dim.ok()) {
        return fail_at(from, dim.error().message);
      }
      dims.push_back(*dim);
      if (take("]")) return dims;
      MJ_TRY(expect(","));
    }
  }

  // --- values of fields

  template <class T>
  Result<T> element() {
    if constexpr (std::is_same_v<T, bool>) {
      if (take("true") || take("1")) return true;
      if (take("false") || take("0")) return false;
      return fail("expected true or false");
    } else if constexpr (std::is_same_v<T, std::string>) {
      return string();
    } else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, double> || std::is_same_v<T, int64_t>) {
      return number<T>();
    } else if constexpr (std::is_integral_v<T>) {
      MJ_ASSIGN(const int64_t wide, number<int64_t>());
      return static_cast<T>(wide);
    } else {
      MJ_ASSIGN(const float wide, number<float>());
      return T(wide);
    }
  }

  template <class T>
  Result<std::vector<T>> list(std::string_view open, std::string_view close) {
    std::vector<T> values;
    MJ_TRY(expect(open));
    while (!take(close)) {
      if (!values.empty()) MJ_TRY(expect(","));
      MJ_ASSIGN(T value, element<T>());
      values.push_back(std::move(value));
    }
    return values;
  }

  Result<Tensor> tensor() {
    MJ_ASSIGN(const Type type, this->type());
    std::vector<int64_t> dims;
    for (const Dim& dim : type.shape ? *type.shape : Shape{}) {
      if (dim.constant().value_or(-1) < 0) return fail("a tensor's dimensions are numbers");
      dims.push_back(*dim.constant());
    }
    skip();
    if (text_.substr(at_).starts_with("hash:")) return fail("this constant was printed without its elements");
    const size_t from = at_;
    if (type.dtype == DType::string) {
      MJ_ASSIGN(std::vector<std::string> values, list<std::string>("{", "}"));
      return Tensor::strings(std::move(dims), std::move(values));
    }
    return dispatch(type.dtype, [&]<class T>() -> Result<Tensor> {
      Result<std::vector<T>> values = list<T>("{", "}");
      if (!values.ok()) return values.error();
      Dim want = 1;
      for (int64_t dim : dims) want *= dim;
      if (want.constant() != std::ssize(*values)) {
        return fail_at(from, fmt::format("expected {} elements", want));
      }
      Tensor tensor = Tensor::zeros(type.dtype, dims);
      for (size_t i = 0; i < values->size(); ++i) {
        static_cast<T*>(tensor.mutable_raw())[i] = (*values)[i];
      }
      return tensor;
    });
  }

  template <class T>
  Result<FieldValue> field_as() {
    if constexpr (std::is_same_v<T, DType>) {
      MJ_ASSIGN(T value, dtype());
      return FieldValue(value);
    } else if constexpr (std::is_same_v<T, Tensor>) {
      MJ_ASSIGN(T value, tensor());
      return FieldValue(std::move(value));
    } else if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string>) {
      MJ_ASSIGN(T value, list<typename T::value_type>("[", "]"));
      return FieldValue(std::move(value));
    } else {
      MJ_ASSIGN(T value, element<T>());
      return FieldValue(std::move(value));
    }
  }

  // "{name=value, ...}" or nothing.
  Result<Op> op(const std::string& name) {
    const OpInfo* info = find_op(name);
    if (!info) return fail_at(op_at_, fmt::format("there is no operator '{}'", name));
    MJ_ASSIGN(const Op defaults, make_op(name));
    std::vector<NamedField> fields;
    if (!take("{")) return defaults;
    const std::vector<FieldValue> kinds = info->get(defaults.raw());
    while (!take("}")) {
      if (!fields.empty()) MJ_TRY(expect(","));
      MJ_ASSIGN(const std::string field, word());
      MJ_TRY(expect("="));
      const auto known =
          std::find_if(info->fields.begin(), info->fields.end(), [&](const FieldInfo& f) { return f.name == field; });
      if (known == info->fields.end()) return fail(fmt::format("{} has no field '{}'", name, field));
      const FieldValue& kind = kinds[static_cast<size_t>(known - info->fields.begin())];
      Result<FieldValue> value = std::visit([&]<class T>(const T&) { return field_as<T>(); }, kind);
      if (!value.ok()) return value.error();
      fields.push_back({known->number, known->name, std::move(*value)});
    }
    return make_op(name, fields);
  }

  // --- bodies

  Result<int> body_value(int count) {
    MJ_TRY(expect("%"));
    MJ_ASSIGN(const int64_t number, this->number<int64_t>());
    if (number < 0 || number >= count) return fail(fmt::format("%{} is not defined yet", number));
    return static_cast<int>(number);
  }

  Result<void> instruction(Body& body) {
    skip();
    op_at_ = at_;
    MJ_ASSIGN(const std::string name, word());
    std::vector<int> args;
    if (take("(")) {
      while (!take(")")) {
        if (!args.empty()) MJ_TRY(expect(","));
        MJ_ASSIGN(const int arg, body_value(body.values()));
        args.push_back(arg);
      }
    }
    MJ_ASSIGN(Op op, this->op(name));
    if (!op.is("constant") && (!op.info().pointwise || op.info().arity != static_cast<int>(args.size()))) {
      return fail(fmt::format("{} with {} arguments cannot stand in a body", name, args.size()));
    }
    std::vector<ValueInfo> infos;
    for (int arg : args) infos.push_back(ValueInfo::of(Type::tensor(body.dtype(arg), {})));
    const InferResult inferred = op.infer({.op = name, .inputs = infos, .outputs = 1, .fresh = nullptr});
    if (!inferred.ok()) return fail(inferred.error().message);
    body.append(std::move(op), std::move(args));
    return {};
  }

  // --- graphs

  Result<std::string> value_name() {
    MJ_TRY(expect("%"));
    return peek('"') ? string() : word();
  }

  Result<ValueId> use(const Scope& scope) {
    if (take("_")) return kAbsent;
    const size_t from = at_;
    MJ_ASSIGN(const std::string name, value_name());
    const auto found = scope.find(name);
    if (found != scope.end()) return found->second;
    return fail_at(from, "this value is not defined yet");
  }

  Result<std::vector<ValueId>> uses(const Scope& scope) {
    std::vector<ValueId> ids;
    MJ_TRY(expect("("));
    while (!take(")")) {
      if (!ids.empty()) MJ_TRY(expect(","));
      MJ_ASSIGN(const ValueId id, use(scope));
      ids.push_back(id);
    }
    return ids;
  }

  Result<ValueInfo> info() {
    MJ_ASSIGN(Type type, this->type());
    ValueInfo info = ValueInfo::of(std::move(type));
    if (take("=")) {
      MJ_TRY(expect("["));
      MJ_ASSIGN(info.contents, dims());
    }
    return info;
  }

  Result<void> define(Scope& scope, const std::string& name, ValueId id) {
    if (scope.emplace(name, id).second) return {};
    return fail(fmt::format("value '{}' is defined twice", name));
  }

  Result<void> block(Graph& graph) {
    Scope scope;
    MJ_TRY(expect("("));
    while (!take(")")) {
      if (!scope.empty()) MJ_TRY(expect(","));
      MJ_ASSIGN(const std::string name, value_name());
      MJ_TRY(expect(":"));
      MJ_ASSIGN(ValueInfo info, this->info());
      const ValueId id = graph.add_input(name, info.type);
      graph.value(id).info = std::move(info);
      MJ_TRY(define(scope, name, id));
    }
    MJ_TRY(expect("{"));
    while (!take("return")) {
      MJ_TRY(statement(graph, scope));
      take(";");
    }
    do {
      MJ_ASSIGN(const ValueId id, use(scope));
      if (id == kAbsent) return fail("an output cannot be absent");
      graph.outputs.push_back(id);
    } while (take(","));
    take(";");
    return expect("}");
  }

  Result<void> statement(Graph& graph, Scope& scope) {
    std::vector<std::string> names;
    do {
      MJ_ASSIGN(std::string name, value_name());
      names.push_back(std::move(name));
    } while (take(","));
    MJ_TRY(expect("="));
    skip();
    op_at_ = at_;
    MJ_ASSIGN(const std::string op_name, word());
    if (op_name == "constant" && !peek('(') && !peek('{')) {
      MJ_ASSIGN(Tensor value, tensor());
      return define(scope, names[0], graph.add_constant(names[0], std::move(value)));
    }

    Node node;
    MJ_ASSIGN(node.inputs, uses(scope));
    if (op_name == "pointwise") {
      MJ_ASSIGN(node.epilogue, body());
    } else {
      MJ_ASSIGN(node.op, op(op_name));
    }
    if (take("epilogue")) {
      node.anchor_inputs = static_cast<int>(node.inputs.size());
      MJ_ASSIGN(const std::vector<ValueId> more, uses(scope));
      node.inputs.insert(node.inputs.end(), more.begin(), more.end());
      MJ_ASSIGN(node.epilogue, body());
    }
    while (take("then") || take("else") || take("body")) {
      if (node.inputs.empty()) return fail("a node with regions has inputs");
      Graph& region = node.regions.emplace_back();
      region.share_names(graph);
      MJ_TRY(block(region));
    }
    std::vector<ValueInfo> infos;
    if (take(":")) {
      do {
        MJ_ASSIGN(ValueInfo info, this->info());
        infos.push_back(std::move(info));
      } while (take(","));
    }
    if (take("from")) {
      do {
        MJ_ASSIGN(std::string name, string());
        node.origin.push_back(std::move(name));
      } while (take(","));
    }
    MJ_ASSIGN(const std::vector<ValueId> outputs, add(graph, std::move(node), std::move(infos), names));
    for (size_t i = 0; i < names.size(); ++i) MJ_TRY(define(scope, names[i], outputs[i]));
    return {};
  }

  Result<std::vector<ValueId>> add(Graph& graph, Node node, std::vector<ValueInfo> infos,
                                   const std::vector<std::string>& names) {
    const bool typed_by_rule = node.epilogue.empty() && node.regions.empty();
    if (infos.empty() && typed_by_rule) {
      Result<std::vector<ValueId>> added =
          graph.add(node.op, node.inputs, static_cast<int>(names.size()), names, node.origin);
      return added.ok() ? added : fail(added.error().message);
    }
    if (infos.size() != names.size()) return fail(fmt::format("expected the types of {} values before", names.size()));
    return graph.add_typed(std::move(node), std::move(infos), names);
  }

  std::string_view text_;
  size_t at_ = 0;
  size_t op_at_ = 0;  // where the operator's name stood, for messages
};

}  // namespace

Result<Graph> parse_graph(std::string_view text) { return Parser(text).graph(); }

Result<Body> parse_body(std::string_view text) {
  Parser parser(text);
  MJ_ASSIGN(Body body, parser.body());
  MJ_TRY(parser.end());
  return body;
}

Result<Type> parse_type(std::string_view text) {
  Parser parser(text);
  MJ_ASSIGN(Type type, parser.type());
  MJ_TRY(parser.end());
  return type;
}

}  // namespace mj
