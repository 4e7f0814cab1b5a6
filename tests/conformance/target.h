// The server that the conformance tests ask: ours, started for this run with the cluster in
// data/, or another one that serves the same cluster (`--server ADDR:PORT`, CLUSTERDNS_SERVER).
#pragma once

#include <string>
#include <string_view>

#include "support/dns_client.h"
#include "support/expect.h"

namespace clusterdns::test {

// Where to ask. Starts our server at the first call.
[[nodiscard]] const Endpoint& target();
// The same server over IPv6; invalid for an external target that listens on IPv4 only.
[[nodiscard]] const Endpoint& target_v6();
// True when the run was pointed at another server.
[[nodiscard]] bool target_is_external();
void use_external_target(std::string_view address_and_port);
// Ends our server and returns its exit code; 0 when there is none.
int stop_target();

// `service.namespace.svc.cluster.local.`
[[nodiscard]] std::string svc(std::string_view service, std::string_view ns = "conf");

// One question to the target: over UDP, and TCP when truncated.
[[nodiscard]] Message ask(std::string_view name, std::string_view type = "A");
[[nodiscard]] Message ask_udp(std::string_view name, std::string_view type = "A");
[[nodiscard]] Message ask_tcp(std::string_view name, std::string_view type = "A");

// Sends something to the target over UDP and a good question behind it on the same socket, so that
// "no answer" needs no waiting: what came back before the good answer, or nothing.
[[nodiscard]] std::optional<Octets> answer_to(std::span<const std::uint8_t> datagram);
// Fails unless `datagram` is dropped or answered with FORMERR, in a well-formed message that is
// not longer than the datagram.
void expect_dropped_or_formerr(std::span<const std::uint8_t> datagram,
                               Location where = Location::current());
void expect_formerr(std::span<const std::uint8_t> datagram, Location where = Location::current());
void expect_dropped(std::span<const std::uint8_t> datagram, Location where = Location::current());

}  // namespace clusterdns::test
