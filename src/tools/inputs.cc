// SPDX-License-Identifier: Apache-2.0
#include "tools/inputs.h"

#include <fmt/format.h>

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

std::string names(std::span<const Port> ports) {
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

Result<std::vector<Tensor>> take_inputs(const Npz& arrays, std::span<const Port> ports, const std::string& source,
                                        Surplus surplus) {
  NamedTensors tensors;
  for (const auto& [own_name, array] : arrays) {
    if (own_name.empty() && ports.size() != 1) {
      return error(ErrorCode::usage, "{}: an .npy holds one array without a name; give an .npz with the inputs: {}",
                   source, names(ports));
    }
    const std::string& name = own_name.empty() ? ports[0].name : own_name;
    const Port* port = port_of(ports, name);
    if (!port && surplus == Surplus::allowed) continue;
    if (!port) {
      return error(ErrorCode::usage, "{}: there is no input '{}'; the inputs are: {}", source, name, names(ports));
    }
    MJ_ASSIGN(Tensor tensor, as_dtype(array, port->type.dtype, fmt::format("{}: input '{}'", source, name)));
    tensors.emplace(name, std::move(tensor));
  }
  MJ_ASSIGN(std::vector<Tensor> inputs, take_values(ports, tensors, source));
  if (!tensors.empty()) {
    return error(ErrorCode::usage, "{}: '{}' follows no array of the number before", source, tensors.begin()->first);
  }
  return inputs;
}

Result<std::vector<Tensor>> read_inputs(const std::string& path, std::span<const Port> ports) {
  MJ_ASSIGN(const Npz arrays, read_numpy(path));
  return take_inputs(arrays, ports, path, Surplus::refused);
}

namespace {

// --shapes and --batch beside a file can only repeat what it holds.
Result<void> check_sizes(std::span<const Port> ports, const std::vector<Tensor>& inputs, const InputSource& source) {
  MJ_ASSIGN(const auto given, parse_shapes(source.shapes));
  for (const auto& [name, dims] : given) {
    const Port* port = port_of(ports, name);
    if (!port) return error(ErrorCode::usage, "--shapes: no input '{}'; there are: {}", name, names(ports));
    const Tensor& input = inputs[static_cast<size_t>(port - ports.data())];
    if (input.dims() == dims) continue;
    return error(ErrorCode::usage, "--shapes: input '{}' is [{}], but {} has [{}]", name, fmt::join(dims, ","),
                 source.path, fmt::join(input.dims(), ","));
  }
  const bool has_batch = std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& input) {
    return input.rank() > 0 && input.dims()[0] == source.batch;
  });
  if (source.batch > 0 && !has_batch) {
    return error(ErrorCode::usage, "--batch {}: the inputs of {} have other sizes", source.batch, source.path);
  }
  return {};
}

// Random inputs before they are drawn: what is known of their sizes.
struct Wanted {
  std::vector<Port> ports;
  Bindings sizes;
};

Result<Wanted> wanted(const Manifest& manifest, const std::string& shapes, int64_t batch) {
  MJ_ASSIGN(const auto given, parse_shapes(shapes));
  Bindings sizes;
  std::vector<Port> ports = manifest.inputs;
  for (const auto& [name, dims] : given) {
    const auto port = std::find_if(ports.begin(), ports.end(), [&, &n = name](const Port& p) { return p.name == n; });
    if (port == ports.end())
      return error(ErrorCode::usage, "--shapes: no input '{}'; there are: {}", name, names(ports));
    if (port->type.shape) {
      const Result<void> fits = bind_shape(*port->type.shape, dims, "--shapes: input '" + name + "'", sizes);
      if (!fits.ok()) return Error{ErrorCode::usage, fits.error().message};
    }
    port->type.shape = Shape(dims.begin(), dims.end());
  }
  bool takes_batch = batch <= 0;
  for (const Port& port : ports) {
    if (batch <= 0 || !port.type.shape || port.type.shape->empty()) continue;
    const Dim& first = port.type.shape->front();
    takes_batch |= first.symbol_name().has_value() || first.constant() == batch;
    if (const auto symbol = first.symbol_name()) sizes.try_emplace(std::string(*symbol), batch);
  }
  if (!takes_batch) {
    return error(ErrorCode::usage, "--batch {}: no input has a first axis that is free; they are: {}", batch,
                 names(ports));
  }
  if (!manifest.profiles.empty()) {
    for (const SymbolRange& range : manifest.profiles[0].symbols) sizes.try_emplace(range.symbol, range.opt);
  }
  return Wanted{std::move(ports), std::move(sizes)};
}

}  // namespace

Result<std::vector<Tensor>> inputs_of(const Manifest& manifest, const InputSource& source, uint64_t seed) {
  if (source.path.empty()) {
    MJ_ASSIGN(const Wanted want, wanted(manifest, source.shapes, source.batch));
    return random_inputs(want.ports, want.sizes, 1, seed);
  }
  MJ_ASSIGN(std::vector<Tensor> inputs, read_inputs(source.path, manifest.inputs));
  MJ_TRY(check_sizes(manifest.inputs, inputs, source));
  return inputs;
}

Result<void> with_inputs(const Manifest& manifest, const InputSource& source, uint64_t seed,
                         FunctionRef<Result<void>(const std::vector<Tensor>&)> use) {
  MJ_ASSIGN(const std::vector<Tensor> first, inputs_of(manifest, source, seed));
  Result<void> done = use(first);
  // Loops that do not end do not end at other sizes either.
  if (done.ok() || !source.path.empty() || done.error().code != ErrorCode::model ||
      done.error().message.find("MJ_LOOPS") != std::string::npos) {
    return done;
  }
  MJ_ASSIGN(const Wanted want, wanted(manifest, source.shapes, source.batch));
  std::string open;
  for (const auto& [symbol, size] : sizes_at(want.ports, 1, 1)) {
    if (!want.sizes.contains(symbol)) open += (open.empty() ? "" : ", ") + symbol;
  }
  if (open.empty()) return done;
  for (const TrialSizes& trial : trial_sizes(want.ports, {1, 2})) {
    Bindings sizes = want.sizes;
    sizes.insert(trial.symbols.begin(), trial.symbols.end());
    MJ_ASSIGN(const std::vector<Tensor> inputs, random_inputs(want.ports, sizes, trial.length, seed));
    if (use(inputs).ok()) return {};
  }
  return error(ErrorCode::model,
               "{}; no sizes are given for {}: name some that the network takes by --shapes or --inputs",
               done.error().message, open);
}

}  // namespace mj
