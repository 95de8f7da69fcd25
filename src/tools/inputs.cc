// SPDX-License-Identifier: Apache-2.0
#include "tools/inputs.h"

#include <algorithm>

#include "base/checked.h"
#include "compile/samples.h"
#include "runtime/layout.h"

namespace mj {
namespace {

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(at, begin), text.size());
    if (end > begin) parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

std::optional<std::vector<int64_t>> numbers(const std::string& text, char at) {
  std::vector<int64_t> out;
  if (text.starts_with(at) || text.ends_with(at) || text.find(std::string(2, at)) != std::string::npos)
    return std::nullopt;
  for (const std::string& part : split(text, at)) {
    const std::optional<int64_t> number = parse_int64(part);
    if (!number || *number < 0) return std::nullopt;
    out.push_back(*number);
  }
  return out;
}

std::string names(const std::vector<Port>& ports) {
  std::string text;
  for (const Port& port : ports)
    text += fmt::format("{}'{}' {}", text.empty() ? "" : ", ", port.name, to_string(port.type));
  return text.empty() ? "none" : text;
}

}  // namespace

Result<std::map<std::string, std::vector<int64_t>>> parse_shapes(const std::string& text) {
  std::map<std::string, std::vector<int64_t>> shapes;
  for (const std::string& part : split(text, ',')) {
    // Names may hold colons; the last '=' or ':' stands before the dims.
    const size_t at = part.find_last_of('=') != std::string::npos ? part.find_last_of('=') : part.find_last_of(':');
    const auto dims = at == std::string::npos ? std::nullopt : numbers(part.substr(at + 1), 'x');
    if (!dims) return error(ErrorCode::usage, "--shapes: '{}' is not NAME=1x3x224x224", part);
    if (!shapes.emplace(part.substr(0, at), *dims).second)
      return error(ErrorCode::usage, "--shapes: '{}' is named twice", part.substr(0, at));
  }
  return shapes;
}

Result<std::vector<SymbolRange>> parse_profile(const std::string& text) {
  std::vector<SymbolRange> profile;
  for (const std::string& part : split(text, ',')) {
    const size_t at = part.find('=');
    const auto sizes = at == std::string::npos ? std::nullopt : numbers(part.substr(at + 1), ':');
    const bool right = sizes && (sizes->size() == 1 || sizes->size() == 3);
    if (!right) return error(ErrorCode::usage, "--profile: '{}' is not NAME=MIN:OPT:MAX or NAME=SIZE", part);
    SymbolRange range{part.substr(0, at), sizes->front(), (*sizes)[sizes->size() / 2], sizes->back()};
    if (range.min > range.opt || range.opt > range.max) {
      return error(ErrorCode::usage, "--profile: '{}' does not rise from MIN over OPT to MAX", part);
    }
    profile.push_back(std::move(range));
  }
  return profile;
}

Result<std::vector<Tensor>> read_inputs(const std::string& path, const std::vector<Port>& ports) {
  MJ_ASSIGN(Npz arrays, read_numpy(path));
  if (arrays.size() == 1 && arrays.contains("") && ports.size() == 1) {
    arrays.emplace(ports[0].name, arrays.at(""));
    arrays.erase("");
  }
  NamedTensors tensors;
  for (const auto& [name, array] : arrays) {
    const Port* port = port_of(ports, name);
    if (!port) {
      return error(ErrorCode::usage, "{}: the engine has no input '{}'; its inputs are: {}", path, name, names(ports));
    }
    MJ_ASSIGN(Tensor tensor, as_dtype(array, port->type.dtype, "input '" + name + "'"));
    tensors.emplace(name, std::move(tensor));
  }
  MJ_ASSIGN(std::vector<Tensor> inputs, take_values(ports, tensors, path));
  if (!tensors.empty()) {
    return error(ErrorCode::usage, "{}: '{}' follows no array of the number before", path, tensors.begin()->first);
  }
  return inputs;
}

Result<std::vector<Tensor>> make_inputs(const Manifest& manifest, const std::string& shapes, int64_t batch,
                                        uint64_t seed) {
  MJ_ASSIGN(const auto given, parse_shapes(shapes));
  Bindings sizes;
  std::vector<Port> ports = manifest.inputs;
  for (const auto& [name, dims] : given) {
    const auto port = std::find_if(ports.begin(), ports.end(), [&, &n = name](const Port& p) { return p.name == n; });
    if (port == ports.end())
      return error(ErrorCode::usage, "--shapes: no input '{}'; there are: {}", name, names(ports));
    if (port->type.shape) MJ_TRY(bind_shape(*port->type.shape, dims, "--shapes: input '" + name + "'", sizes));
    port->type.shape = Shape(dims.begin(), dims.end());
  }
  for (const Port& port : ports) {
    if (batch <= 0 || !port.type.shape || port.type.shape->empty()) continue;
    if (const auto symbol = port.type.shape->front().symbol_name()) sizes.try_emplace(std::string(*symbol), batch);
  }
  if (!manifest.profiles.empty()) {
    for (const SymbolRange& range : manifest.profiles[0].symbols) sizes.try_emplace(range.symbol, range.opt);
  }
  return random_inputs(ports, sizes, 1, seed);
}

}  // namespace mj
