#include "registry/kind.h"

#include <algorithm>

namespace clusterdns::registry {
namespace {

std::string with_group(std::string_view name, std::string_view group) {
  std::string text(name);
  if (!group.empty()) text.append(1, '.').append(group);
  return text;
}

}  // namespace

std::string Kind::full_name() const { return with_group(plural, group); }

std::string Kind::qualified_name() const { return with_group(name, group); }

bool Kind::has_version(std::string_view version) const noexcept {
  return !version.empty() && std::find(versions.begin(), versions.end(), version) != versions.end();
}

}  // namespace clusterdns::registry
