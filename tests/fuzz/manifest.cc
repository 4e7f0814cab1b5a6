// Manifests: YAML and JSON to objects. Whatever stands there, it ends in objects and positions.
#include <string>

#include "registry/manifests/document_reader.h"
#include "registry/manifests/object_reader.h"
#include "tests/fuzz/fuzz_target.h"

namespace clusterdns::fuzz {

std::vector<Octets> generated_seeds() { return {}; }

}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns::registry;         // NOLINT
  constexpr std::size_t kMaxInput = 16 * 1024;  // more is slow and finds nothing else
  if (size > kMaxInput) return 0;
  struct Visitor : DocumentVisitor {
    void on_object(const YamlNode& node, const YamlNode* list) override {
      for (const ReadObject& read : read_objects(node, list, "fuzz.yaml")) {
        // An object, or a reason why there is none.
        FUZZ_REQUIRE(read.object.has_value() || !read.errors.empty() || !read.warnings.empty() ||
                     read.key.name.empty());
        for (const YamlError& e : read.errors) FUZZ_REQUIRE(!e.what.empty());
        if (read.object) {
          FUZZ_REQUIRE(read.errors.empty());
          FUZZ_REQUIRE(!key_of(read.object->body).name.empty() || read.key.name.empty());
          FUZZ_REQUIRE(!kind_of(read.object->body).empty());
        }
      }
    }
    void on_oddity(YamlError oddity) override { FUZZ_REQUIRE(!oddity.what.empty()); }
  } visitor;
  const std::string text(data, data + size);
  DocumentReader reader(read_from(text));
  Document document;
  while (reader.next(document)) {
    const auto error = read_document(document, size % 2 == 0, visitor);
    if (error) FUZZ_REQUIRE(!error->what.empty());
  }
  if (reader.failure()) FUZZ_REQUIRE(!reader.failure()->what.empty());
  return 0;
}
