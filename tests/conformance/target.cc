#include "conformance/target.h"

#include <gtest/gtest.h>

#include <memory>

#include "support/server_process.h"
#include "support/temp_dir.h"

namespace clusterdns::test {
namespace {

// kubeadm's own `pods insecure`, both reverse trees, and nothing to forward to.
constexpr std::string_view kCorefile = R"(.:0 {
    bind 127.0.0.1 ::1
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        manifests %DATA%
        pods insecure
    }
}
example.test:0 {
    bind 127.0.0.1 ::1
    file %ZONES%/example.test
    transfer {
        to *
    }
}
signed.test:0 {
    bind 127.0.0.1 ::1
    tsig {
        secret signer.test. QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=
        require AXFR TXT
    }
    file %ZONES%/signed.test
    transfer {
        to *
    }
}
)";

struct Target {
  bool external = false;
  Endpoint v4;
  Endpoint v6;
  std::unique_ptr<TempDir> directory;
  std::unique_ptr<ServerProcess> process;
};

Target& state() {
  static Target instance;
  return instance;
}

void start(Target& target) {
  std::string corefile(kCorefile);
  const std::string_view mark = "%DATA%";
  corefile.replace(corefile.find(mark), mark.size(), CLUSTERDNS_CONFORMANCE_DATA);
  const std::string_view zones = "%ZONES%";
  for (auto at = corefile.find(zones); at != std::string::npos; at = corefile.find(zones)) {
    corefile.replace(at, zones.size(), CLUSTERDNS_CONFORMANCE_ZONES);
  }
  target.directory = std::make_unique<TempDir>();
  const auto path = target.directory->write("Corefile", corefile);
  target.process =
      std::make_unique<ServerProcess>(ProcessOptions{.arguments = {"-conf", path.string()}});
  for (const Endpoint& endpoint : target.process->wait_until_listening(2)) {
    (endpoint.family() == AF_INET ? target.v4 : target.v6) = endpoint;
  }
}

const Target& started() {
  Target& target = state();
  if (!target.external && target.process == nullptr) {
    start(target);
  }
  return target;
}

}  // namespace

const Endpoint& target() { return started().v4; }

const Endpoint& target_v6() { return started().v6; }

bool target_is_external() { return state().external; }

void use_external_target(std::string_view address_and_port) {
  state().external = true;
  state().v4 = Endpoint::from_text(address_and_port);
  state().v6 = Endpoint{"::1", state().v4.port};
}

int stop_target() {
  const int code = state().process == nullptr ? 0 : state().process->stop();
  state().process.reset();
  return code;
}

std::string svc(std::string_view service, std::string_view ns) {
  return std::string(service) + "." + std::string(ns) + ".svc.cluster.local.";
}

Message ask(std::string_view name, std::string_view type) {
  return ask(target(), Query{.name = std::string(name), .type = std::string(type)});
}

Message ask_udp(std::string_view name, std::string_view type) {
  return ask_udp(target(), Query{.name = std::string(name), .type = std::string(type)});
}

Message ask_tcp(std::string_view name, std::string_view type) {
  return ask_tcp(target(), Query{.name = std::string(name), .type = std::string(type)});
}

std::optional<Octets> answer_to(std::span<const std::uint8_t> datagram) {
  UdpClient client(target());
  client.send(datagram);
  // Two good questions: a server may answer the first before it is done with the datagram.
  std::optional<Octets> result;
  for (int round = 0; round < 2; ++round) {
    const Octets good = encode(Query{.name = svc("web")});
    client.send(good);
    for (;;) {
      std::optional<Octets> answer = client.receive(Deadline::after(kAnswerTimeout));
      if (!answer.has_value()) {
        throw TestError("the server stopped answering after the datagram");
      }
      if (answer->size() >= 2 && (*answer)[0] == good[0] && (*answer)[1] == good[1]) {
        break;
      }
      result = std::move(answer);
    }
  }
  return result;
}

void expect_dropped_or_formerr(std::span<const std::uint8_t> datagram, Location where) {
  const std::optional<Octets> answer = answer_to(datagram);
  if (!answer.has_value()) {
    return;
  }
  const Message message = decode(*answer);
  check_response(datagram, message);
  expect_rcode(message, "FORMERR", where);
  if (answer->size() > datagram.size()) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << datagram.size() << " malformed octets were answered with " << answer->size() << '\n'
        << message.text();
  }
}

void expect_formerr(std::span<const std::uint8_t> datagram, Location where) {
  const std::optional<Octets> answer = answer_to(datagram);
  if (!answer.has_value()) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line())) << "no answer";
    return;
  }
  const Message message = decode(*answer);
  check_response(datagram, message);
  expect_rcode(message, "FORMERR", where);
}

void expect_dropped(std::span<const std::uint8_t> datagram, Location where) {
  const std::optional<Octets> answer = answer_to(datagram);
  if (answer.has_value()) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << "answered with " << answer->size() << " octets";
  }
}

}  // namespace clusterdns::test
