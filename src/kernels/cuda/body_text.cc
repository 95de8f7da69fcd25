// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/body_text.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "ops/cast.h"
#include "ops/constant.h"
#include "ops/gelu.h"

namespace mj {
namespace {

// What means the same in integers as in floats. Not among them: what has floats for attributes, and what divides.
constexpr std::array<std::string_view, 24> kIntegerOps = {
    "abs",     "add",           "and",      "bitwise_and", "bitwise_not", "bitwise_or", "bitwise_xor", "equal",
    "greater", "greater_equal", "identity", "less",        "less_equal",  "max",        "min",         "mul",
    "neg",     "not",           "or",       "relu",        "sign",        "sub",        "where",       "xor"};

bool is_boolean_op(const Op& op) {
  return op.is("and") || op.is("or") || op.is("xor") || op.is("not") || op.is("where") || op.is("equal") ||
         op.is("identity");
}

bool is_name(char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.'; }

// An attribute's value in an expression.
std::string field_text(const FieldValue& value) {
  if (const auto* f = std::get_if<float>(&value)) return c_literal(*f);
  if (const auto* i = std::get_if<int64_t>(&value)) return std::to_string(*i);
  if (const auto* b = std::get_if<bool>(&value)) return *b ? "true" : "false";
  if (const auto* s = std::get_if<std::string>(&value)) return *s == "none" ? "false" : "true";
  CHECK(false, "an attribute of a pointwise operator that has no place in an expression");
}

// A number as `maths` spells it: in "float", 1 is 1.0f, so that nothing becomes double.
std::string number_text(std::string_view number, std::string_view maths) {
  if (maths != "float" && maths != "double") return std::string(number);
  const bool whole = number.find('.') == std::string_view::npos;
  return fmt::format("{}{}{}", number, whole ? ".0" : "", maths == "float" ? "f" : "");
}

// The operator's own expression with operands and attributes in their places.
std::string expression(const Op& op, std::string_view maths, std::span<const std::string> args) {
  const std::string_view body = op.info().body;
  const std::vector<NamedField> fields = op.fields();
  std::string out;
  for (size_t i = 0; i < body.size();) {
    size_t end = i;
    while (end < body.size() && is_name(body[end])) ++end;
    if (end == i) {
      out += body[i++];
      continue;
    }
    const std::string_view word = body.substr(i, end - i);
    const auto field = std::find_if(fields.begin(), fields.end(), [&](const NamedField& f) { return f.name == word; });
    if (word.size() == 1 && word[0] >= 'x' && word[0] <= 'z') {
      out += fmt::format("({})", args[static_cast<size_t>(word[0] - 'x')]);
    } else if (field != fields.end()) {
      out += field_text(field->value);
    } else if (std::isdigit(static_cast<unsigned char>(word[0]))) {
      out += number_text(word, maths);
    } else {
      out += word;
    }
    i = end;
  }
  return out;
}

std::string cast_text(DType from, DType to, const std::string& x) {
  if (to == DType::boolean) return fmt::format("({}) != 0", x);
  if (is_float(to)) {
    const std::string widened = fmt::format("({})({})", c_maths(to), x);
    return storage_bytes(to) < 4 ? c_load(to, c_store(to, widened)) : widened;
  }
  if (!is_float(from)) return fmt::format("({})({})({})", c_maths(to), c_storage(to), x);
  const auto bits = static_cast<int>(mj::bits(to));
  const double low = is_signed(to) ? -std::ldexp(1.0, bits - 1) : 0;
  const double high = std::ldexp(1.0, is_signed(to) ? bits - 1 : bits) - 1;
  const std::string_view maths = c_maths(to);
  const uint64_t highest = is_signed(to) ? (uint64_t{1} << (bits - 1)) - 1 : ~uint64_t{0} >> (64 - bits);
  const std::string lowest = is_signed(to) ? fmt::format("(-{}ll - 1)", highest) : "0";
  // As doubles, which hold every float; bounds of 64 bits are rounded up, to what no number of the type reaches.
  return fmt::format("to_integer<{}, double>({}, {:.1f}, {:.1f}, {}, {}ull)", maths, x, low, high, lowest, highest);
}

std::string constant_text(const Tensor& value) {
  if (is_float(value.dtype()) && value.dtype() != DType::f64) return c_literal(static_cast<float>(value.to_f64()[0]));
  if (value.dtype() == DType::f64) {
    const double x = value.to_f64()[0];
    if (std::isnan(x)) return "(double)NAN";
    if (std::isinf(x)) return x > 0 ? "(double)INFINITY" : "(double)(-INFINITY)";
    return fmt::format("({:a})", x);
  }
  if (value.dtype() == DType::boolean) return value.data<bool>()[0] ? "true" : "false";
  const int64_t x = value.to_i64()[0];
  if (!is_signed(value.dtype())) return fmt::format("{}ull", static_cast<uint64_t>(x));
  return fmt::format("(long long){}ull", static_cast<uint64_t>(x));
}

bool is_narrow(DType dtype) { return dtype == DType::f16 || dtype == DType::bf16; }

// Where all that leaves a body has 16 bits, an error of a few units in the last of f32's digits does not show: sigmoids
// and GELUs take a few instructions instead of some 20.
std::string narrow_text(const Op& op, const std::string& x) {
  if (const auto* gelu = op.get_if<Gelu>()) return gelu->approximate == "none" ? fmt::format("short_gelu({})", x) : "";
  const bool silu = op.is("silu");
  if (!silu && !op.is("sigmoid")) return "";
  return fmt::format("{}short_sigmoid({})", silu ? fmt::format("({}) * ", x) : "", x);
}

std::string instruction_text(const Body& body, const BodyInstruction& instruction, std::span<const std::string> args,
                             bool narrow) {
  if (const Constant* constant = instruction.op.get_if<Constant>()) return constant_text(constant->value);
  // Of `where` the first operand is the condition.
  const DType from = body.dtype(instruction.args.back());
  if (instruction.op.is("cast")) return cast_text(from, instruction.dtype, args[0]);
  if (instruction.op.is("abs") && !is_float(from)) return fmt::format("({0}) < 0 ? -({0}) : ({0})", args[0]);
  if (!is_boolean_op(instruction.op) && from == DType::boolean) return "";
  if (narrow && from == DType::f32) {
    if (std::string text = narrow_text(instruction.op, args[0]); !text.empty()) return text;
  }
  return expression(instruction.op, c_maths(from), args);
}

// What a value is rounded from if it is a float that was cast to f16 or bf16; otherwise the value itself.
int before_rounding(const Body& body, int value) {
  const auto params = static_cast<int>(body.params.size());
  if (value < params) return value;
  const BodyInstruction& last = body.instructions[static_cast<size_t>(value - params)];
  const bool rounds = last.op.is("cast") && is_narrow(last.dtype);
  return rounds && body.dtype(last.args[0]) == DType::f32 ? last.args[0] : value;
}

}  // namespace

std::optional<std::string> body_refusal(const Body& body) {
  for (DType dtype : body.params) {
    if (c_storage(dtype).empty()) return fmt::format("elements of {}", name(dtype));
  }
  for (const BodyInstruction& instruction : body.instructions) {
    if (c_storage(instruction.dtype).empty()) return fmt::format("elements of {}", name(instruction.dtype));
    if (instruction.op.is("constant")) continue;
    if (instruction.op.is("cast")) {
      const DType from = body.dtype(instruction.args[0]);
      const bool wide = !is_float(instruction.dtype) && storage_bytes(instruction.dtype) == 8;
      if (is_float(from) && wide && !is_signed(instruction.dtype)) return "cast of floats to u64";
      continue;
    }
    const DType from = body.dtype(instruction.args.back());
    const bool known = std::find(kIntegerOps.begin(), kIntegerOps.end(), instruction.op.name()) != kIntegerOps.end();
    if (instruction.op.info().body.empty() || instruction.op.is("mod") || (!is_float(from) && !known) ||
        (from == DType::boolean && !is_boolean_op(instruction.op))) {
      return fmt::format("{} of {}", instruction.op.name(), name(from));
    }
  }
  return std::nullopt;
}

BodyText body_text(const Body& body, std::span<const std::string> params, std::string_view prefix) {
  BodyText text;
  std::vector<std::string> values(params.begin(), params.end());
  const bool narrow =
      std::all_of(body.results.begin(), body.results.end(), [&](int result) { return is_narrow(body.dtype(result)); });
  for (const BodyInstruction& instruction : body.instructions) {
    std::vector<std::string> args;
    for (int arg : instruction.args) args.push_back(values[static_cast<size_t>(arg)]);
    const std::string name = fmt::format("{}{}", prefix, values.size());
    std::string value = instruction_text(body, instruction, args, narrow);
    // Narrow integers wrap after each operator.
    const DType dtype = instruction.dtype;
    if (is_integer(dtype) && storage_bytes(dtype) < 8) value = fmt::format("({})({})", c_storage(dtype), value);
    text.lines += fmt::format("  const {} {} = {};\n", c_maths(dtype), name, value);
    values.push_back(name);
  }
  for (int result : body.results) {
    text.results.push_back(values[static_cast<size_t>(result)]);
    text.stored.push_back(values[static_cast<size_t>(before_rounding(body, result))]);
  }
  return text;
}

std::string broadcast_index(KernelText& kernel, const Shape& from, const Shape& to, const std::string& index) {
  if (from == to) return index;
  // Axes of `to` from the last one on, in runs that `from` has whole, has not, or has if it is not of length 1.
  enum class Has { all, none, maybe };
  const auto has = [&](size_t axis) {  // of `to`
    const size_t missing = to.size() - from.size();
    if (axis < missing || from[axis - missing].constant() == 1) return Has::none;
    return equal(from[axis - missing], to[axis]) == Tri::yes ? Has::all : Has::maybe;
  };
  std::string sum;
  Dim inner_to = 1, inner_from = 1;
  for (size_t end = to.size(); end > 0;) {
    const Has kind = has(end - 1);
    size_t begin = end - 1;
    Dim run = to[begin];
    while (kind != Has::maybe && begin > 0 && has(begin - 1) == kind) run *= to[--begin];
    if (kind != Has::none && run.constant() != 1) {
      std::string place = inner_to.constant() == 1 ? index : fmt::format("{} / {}", index, kernel.size(inner_to));
      if (begin > 0) place = fmt::format("{} % {}", place, kernel.size(run));
      const Dim length = kind == Has::all ? run : from[begin - (to.size() - from.size())];
      if (kind == Has::maybe) place = fmt::format("({} == 1 ? 0 : {})", kernel.size(length), place);
      if (inner_from.constant() != 1) place = fmt::format("({}) * {}", place, kernel.size(inner_from));
      sum += fmt::format("{}{}", sum.empty() ? "" : " + ", place);
      inner_from *= length;
    }
    inner_to *= run;
    end = begin;
  }
  return sum.empty() ? "0" : fmt::format("({})", sum);
}

std::optional<std::string> epilogue_refusal(const Problem& problem) {
  for (const Operand& output : problem.outputs) {
    if (c_storage(output.dtype).empty()) return fmt::format("an output is {}", name(output.dtype));
    if (output.shape != problem.outputs[0].shape) return "outputs of several shapes";
  }
  for (size_t i = static_cast<size_t>(problem.anchor_inputs); i < problem.inputs.size(); ++i) {
    if (c_storage(problem.inputs[i].dtype).empty()) return fmt::format("an input is {}", name(problem.inputs[i].dtype));
  }
  if (problem.epilogue.empty()) return problem.outputs.size() == 1 ? std::nullopt : std::optional("several outputs");
  return body_refusal(problem.epilogue);
}

std::string epilogue_text(KernelText& kernel, const std::string& value, const std::string& index,
                          std::string_view prefix) {
  const Problem& problem = kernel.problem();
  if (problem.epilogue.empty()) {
    return fmt::format("  {}[{}] = {};\n", kernel.output(0), index, c_store(problem.outputs[0].dtype, value));
  }
  std::vector<std::string> params = {value};
  for (size_t i = static_cast<size_t>(problem.anchor_inputs); i < problem.inputs.size(); ++i) {
    const Operand& operand = problem.inputs[i];
    const std::string at = broadcast_index(kernel, operand.shape, problem.outputs[0].shape, index);
    params.push_back(c_load(operand.dtype, fmt::format("{}[{}]", kernel.input(i), at)));
  }
  BodyText body = body_text(problem.epilogue, params, prefix);
  for (size_t i = 0; i < problem.outputs.size(); ++i) {
    body.lines +=
        fmt::format("  {}[{}] = {};\n", kernel.output(i), index, c_store(problem.outputs[i].dtype, body.stored[i]));
  }
  return body.lines;
}

}  // namespace mj
