#include "dns/forward/failure_text.h"

#include <cstring>

namespace clusterdns::dns {
namespace {

using Step = TransportFailure::Step;

const char* system_call(Step step) noexcept {
  switch (step) {
    case Step::Socket: return "socket";
    case Step::Bind: return "bind";
    case Step::Connect: return "connect";
    case Step::Write: return "write";
    case Step::Read: return "read";
  }
  return "";
}

// Go's net.OpError without the cause: "dial" stands for all that comes before the first octet, and
// has no address of our own yet.
std::string operation(Transport transport, const TransportFailure& place,
                      const Endpoint& upstream) {
  const bool dial = place.step != Step::Write && place.step != Step::Read;
  std::string text = dial ? "dial" : system_call(place.step);
  text += transport == Transport::Udp ? " udp " : " tcp ";
  if (!dial && place.local.port != 0) text += place.local.to_string() + "->";
  return text + upstream.to_string() + ": ";
}

// Go has glibc's words, without the capital.
std::string error_words(int error) {
  const char* const words = ::strerrordesc_np(error);
  if (words == nullptr) return "errno " + std::to_string(error);
  std::string text = words;
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') {
    text[0] = static_cast<char>(text[0] - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string timeout_text(Transport transport, const TransportFailure& place,
                         const Endpoint& upstream) {
  return operation(transport, place, upstream) + "i/o timeout";
}

std::string failure_text(Transport transport, const TransportFailure& failure,
                         const Endpoint& upstream) {
  const std::string what = operation(transport, failure, upstream);
  if (failure.error == 0) return what + "EOF";
  if (failure.tls != nullptr) return what + "tls: " + failure.tls;
  return what + system_call(failure.step) + ": " + error_words(failure.error);
}

}  // namespace clusterdns::dns
