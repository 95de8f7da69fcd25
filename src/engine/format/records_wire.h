// SPDX-License-Identifier: Apache-2.0
// Records to and from bytes (protobuf wire format; engine.proto documents it).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "base/result.h"
#include "engine/format/records.h"

namespace mj {

// The same bytes for equal data.
std::vector<std::byte> serialize(const ManifestRecord& manifest);
std::vector<std::byte> serialize(const MeasurementsRecord& measurements);

// The bytes may be hostile: time and memory are bounded by their size. What comes back is well-formed (operators exist,
// their fields have the right types, dims parse) and no more: numbers and places are checked by from_record() and
// verify().
Result<ManifestRecord> parse_manifest(std::span<const std::byte> bytes);
Result<MeasurementsRecord> parse_measurements(std::span<const std::byte> bytes);

// True if every element is one of its type (bools are 0 or 1, 4-bit numbers have 4 bits): reading others as such is
// undefined.
bool valid_elements(DType dtype, std::span<const std::byte> bytes);

}  // namespace mj
