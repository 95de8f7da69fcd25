// SPDX-License-Identifier: Apache-2.0
#include "import/importer.h"
#include "import/ops/irregular.h"

namespace mj::onnx {

// A condition that is known already changes nothing here: both branches are kept, a pass picks one.
void import_if(NodeImport& node) { node.importer.import_if(node); }

void import_loop(NodeImport& node) { node.importer.import_loop(node); }
void import_scan_8(NodeImport& node) { node.importer.import_scan_8(node); }
void import_scan(NodeImport& node) { node.importer.import_scan(node); }
void import_sequence_map(NodeImport& node) { node.importer.import_sequence_map(node); }

}  // namespace mj::onnx
