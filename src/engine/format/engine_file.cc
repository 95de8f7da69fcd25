// SPDX-License-Identifier: Apache-2.0
#include "engine/format/engine_file.h"

#include <filesystem>

#include "base/file.h"
#include "engine/format/plan_verify.h"
#include "engine/format/records.h"
#include "engine/format/records_wire.h"

namespace mj {
namespace {

// Calls `take` with the pieces of the file, which live no longer than the call.
template <class Take>
auto with_image(const Manifest& manifest, const Measurements& measurements, const WriteOptions& options, Take&& take)
    -> decltype(take(std::declval<const ContainerImage&>())) {
  auto sound = verify(manifest);
  if (!sound.ok()) return sound.error().in("the engine to be written is not sound");
  ConstantWriter constants;
  const Records records = to_records(manifest, measurements, constants);
  const std::vector<std::byte> manifest_bytes = serialize(records.manifest);
  const std::vector<std::byte> measured_bytes = serialize(records.measurements);
  std::vector<SectionData> sections = {{SectionKind::manifest, "", kAllTargets, manifest_bytes}};
  for (const SectionData& section : constants.sections()) sections.push_back(section);
  if (!measured_bytes.empty()) sections.push_back({SectionKind::measurements, "", kAllTargets, measured_bytes});
  MJ_ASSIGN(const ContainerImage image, assemble_container(sections, options.key));
  return take(image);
}

Result<LoadedEngine> load(const Container& container) {
  std::vector<SectionData> sections;
  std::vector<std::byte> measured_bytes;  // a copy: what is checked is what is used
  for (size_t i = 0; i < container.sections().size(); ++i) {
    const Section& section = container.sections()[i];
    const std::span<const std::byte> bytes = container.section(static_cast<int>(i));
    sections.push_back({section.kind, section.name, section.target, bytes});
    if (section.kind == SectionKind::measurements) measured_bytes.assign(bytes.begin(), bytes.end());
  }
  MJ_ASSIGN(ManifestRecord manifest, parse_manifest(container.manifest()));
  MJ_ASSIGN(MeasurementsRecord measurements, parse_measurements(measured_bytes));
  LoadedEngine engine;
  MJ_ASSIGN(engine.manifest,
            from_records(std::move(manifest), measurements, ConstantReader(std::move(sections), container.owner())));
  MJ_TRY(verify(engine.manifest));
  for (const Section& section : container.sections()) {
    if (section.target >= static_cast<int>(engine.manifest.targets.size())) {
      return model_error("a section belongs to target {} of {}", section.target, engine.manifest.targets.size());
    }
  }
  engine.measurements.rows = std::move(measurements.rows);
  engine.major_version = container.major_version();
  engine.minor_version = container.minor_version();
  engine.bytes = container.bytes();
  engine.root = container.root();
  engine.signed_by = container.signed_by();
  engine.sections = container.sections();
  engine.mapping = container.owner();
  engine.file = container.file();
  return engine;
}

Result<LoadedEngine> load(const std::string& name, const Result<Container>& container) {
  if (!container.ok()) return container.error();
  auto engine = load(*container);
  if (!engine.ok()) return engine.error().in(fmt::format("engine '{}'", name));
  return engine;
}

}  // namespace

Result<std::vector<std::byte>> engine_bytes(const Manifest& manifest, const Measurements& measurements,
                                            const WriteOptions& options) {
  return with_image(manifest, measurements, options, [](const ContainerImage& image) {
    std::vector<std::byte> bytes;
    bytes.reserve(static_cast<size_t>(image.bytes));
    for (const auto piece : image.pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
    return Result<std::vector<std::byte>>(std::move(bytes));
  });
}

Result<void> write_engine(const std::string& path, const Manifest& manifest, const Measurements& measurements,
                          const WriteOptions& options) {
  return with_image(manifest, measurements, options,
                    [&](const ContainerImage& image) { return write_file_atomically(path, image.pieces); });
}

Result<LoadedEngine> read_engine(const std::string& path, const ReadOptions& options) {
  return load(std::filesystem::path(path).filename().string(),
              Container::open(path, {options.trusted_keys, options.table_seen}));
}

Result<LoadedEngine> read_engine(const std::string& name, std::span<const std::byte> bytes,
                                 std::shared_ptr<const void> owner, const ReadOptions& options) {
  CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % kConstantAlign == 0, "an engine in memory must be aligned");
  return load(name, Container::parse(name, bytes, std::move(owner), {options.trusted_keys, options.table_seen}));
}

}  // namespace mj
