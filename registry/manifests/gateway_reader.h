// Trees to the objects of gateways (registry/gateway_objects.h), whether they were YAML or JSON.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "registry/gateway_objects.h"
#include "registry/kind.h"
#include "registry/manifests/field_reader.h"

namespace clusterdns::registry {

// The kind of that name and API group; nullopt when it is none of gateways'.
[[nodiscard]] std::optional<gateways::Kind> gateway_kind(std::string_view kind,
                                                         std::string_view group);

// The rows of all kinds of gateways: what an API server is asked for. Their objects are in
// Store::gateways(), as ObjectPointer, and not in tables.
[[nodiscard]] std::span<const Kind* const> gateway_rows() noexcept;
// nullopt when `row` is none of these.
[[nodiscard]] std::optional<gateways::Kind> gateway_kind(const Kind& row) noexcept;

// Reads one object. What is wrong goes to the findings of `object`; the result counts only when
// there is no error among them. `file`: where it stands; empty for the API's.
[[nodiscard]] gateways::ObjectPointer read_gateway_object(const Field& object, const YamlNode& node,
                                                          gateways::Kind kind,
                                                          const std::string& file);

// The targets of an annotation `…/target`, and the text of one: under both of external-dns's
// prefixes, the older one first.
[[nodiscard]] gateways::Targets read_targets(const Field& metadata);
[[nodiscard]] std::optional<std::string> read_annotation(const Field& metadata,
                                                         std::string_view name);
// Comma-separated hosts of an annotation `…/hostname`.
[[nodiscard]] std::vector<std::string> read_hostnames(const Field& metadata);
// The names in status.loadBalancer.ingress[].hostname.
[[nodiscard]] std::vector<std::string> read_balancer_names(const Field& status);

}  // namespace clusterdns::registry
