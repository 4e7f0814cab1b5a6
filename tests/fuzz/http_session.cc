// Octets of DNS over HTTPS, whatever they are. The first one chooses the version of HTTP, and in
// which pieces they come.
#include <algorithm>
#include <memory>

#include "dns/http/http_session.h"
#include "dns/wire/query_parser.h"
#include "tests/fuzz/messages.h"
#include "tests/unit/dns/http/http2_frames.h"

namespace clusterdns::fuzz {

constexpr std::uint8_t kHttp2 = 1;
// Whatever is asked of a session, it has no more.
constexpr std::size_t kMostHeld = 1024 * 1024;

std::vector<Octets> generated_seeds() {
  using namespace unit::http2;  // NOLINT
  std::vector<Octets> seeds;
  for (const Octets& query : queries()) {
    const std::string text(query.begin(), query.end());
    for (const std::string& request :
         {"GET /dns-query?dns=" + base64url(query) + " HTTP/1.1\r\nHost: a\r\n\r\n",
          "POST /dns-query HTTP/1.1\r\nHost: a\r\nContent-Type: application/dns-message\r\n"
          "Content-Length: " +
              std::to_string(query.size()) + "\r\n\r\n" + text}) {
      seeds.emplace_back(1, std::uint8_t{0});
      seeds.back().insert(seeds.back().end(), request.begin(), request.end());
    }
    seeds.push_back(Octets{kHttp2} + preface() + get(1, query) + post(3, query) +
                    frame(kPing, 0, 0, Octets(8)) + frame(kRstStream, 0, 1, u32(kCancel)) +
                    frame(kWindowUpdate, 0, 0, u32(1)));
  }
  return seeds;
}

}  // namespace clusterdns::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clusterdns;  // NOLINT
  if (size == 0) return 0;
  const std::size_t piece = (data[0] >> 1) == 0 ? size : data[0] >> 1;
  const auto session = dns::make_http_session((data[0] & fuzz::kHttp2) != 0, {});
  fuzz::Octets kept;
  fuzz::Octets room(dns::HttpSession::kLeastRoom);
  const fuzz::Octets answer(200);
  const std::span<const std::uint8_t> all(data + 1, size - 1);
  for (std::size_t at = 0; at < all.size(); at += piece) {
    const auto fresh = all.subspan(at, std::min(piece, all.size() - at));
    kept.insert(kept.end(), fresh.begin(), fresh.end());
    for (bool more = true; more;) {
      const std::size_t taken = session->takes() ? session->take(kept, 1) : 0;
      FUZZ_REQUIRE(taken <= kept.size());
      kept.erase(kept.begin(), kept.begin() + static_cast<std::ptrdiff_t>(taken));
      more = false;
      while (const auto asked = session->next()) {
        dns::Query query;
        const dns::Gate gate = dns::parse_query(asked->message, query);
        FUZZ_REQUIRE(gate != dns::Gate::Drop && gate != dns::Gate::FormErr);
        if (asked->message.size() % 2 == 0) {
          session->answer(asked->stream, answer);
        } else {
          session->give_none(asked->stream);
        }
        more = true;
      }
      while (session->produce(room.data(), room.size()) != 0) {
      }
      FUZZ_REQUIRE(session->held() <= fuzz::kMostHeld);
    }
    if (session->ended()) break;
  }
  return 0;
}
