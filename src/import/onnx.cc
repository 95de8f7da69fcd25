// SPDX-License-Identifier: Apache-2.0
#include "import/onnx.h"

#include <span>

#include "base/file.h"
#include "import/importer.h"
#include "import/proto.h"
#include "import/tensors.h"
#include "ops/plugins.h"

namespace mj {
namespace {

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

Digest hash_of(std::string_view model, const onnx::TensorReader& tensors) {
  const Digest own = sha256(std::as_bytes(std::span(model)));
  const auto files = tensors.files();
  if (files.empty()) return own;
  std::vector<std::byte> digests;
  const auto append = [&](const Digest& digest) {
    const std::span<const std::byte> bytes = std::as_bytes(std::span(digest));
    digests.insert(digests.end(), bytes.begin(), bytes.end());
  };
  append(own);
  for (const std::vector<std::span<const std::byte>>& pieces : files) {
    Sha256 used;
    for (std::span<const std::byte> piece : pieces) used.update(piece);
    append(used.finish());
  }
  return sha256(digests);
}

}  // namespace

Result<Model> import_onnx_bytes(std::string_view bytes, std::shared_ptr<const void> owner,
                                const std::optional<std::string>& directory, const ImportOptions& options) {
  if (!options.fallback.empty()) MJ_TRY(load_plugin(std::string(kOrtPlugin)));
  const ImportLimits& limits = options.limits;
  onnx::ParseLimits parse_limits;
  parse_limits.depth = limits.depth;
  parse_limits.nodes = limits.nodes;
  MJ_ASSIGN(const onnx::ModelProto proto, onnx::parse_model(bytes, parse_limits));

  onnx::TensorReader tensors(limits, std::move(owner), directory);
  Model model;
  MJ_ASSIGN(model.graph, onnx::Importer(proto, options, tensors).run());
  model.producer = std::string(proto.producer_name);
  if (!proto.producer_version.empty()) model.producer += fmt::format(" {}", proto.producer_version);
  model.ir_version = proto.ir_version;
  for (const onnx::OperatorSet& set : proto.opsets) {
    if (set.domain.empty() || set.domain == "ai.onnx") model.opset = set.version;
  }
  for (const onnx::KeyValue& entry : proto.metadata) model.metadata.emplace_back(entry.key, entry.value);
  model.hash = hash_of(bytes, tensors);
  return model;
}

Result<Model> import_onnx(const std::string& path, const ImportOptions& options) {
  MJ_ASSIGN(const std::shared_ptr<const MappedFile> file, MappedFile::open(path));
  const std::span<const std::byte> bytes = file->bytes();
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  Result<Model> model = import_onnx_bytes(text, file, directory_of(path), options);
  if (model.ok()) return model;
  return model.error().in(path);
}

}  // namespace mj
