#include "app/console/gate.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include "app/console/replies.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kCookie = "console";

std::string small(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return result;
}

// A Host or authority: its name or address in small letters without brackets and final dot, and its
// port; nullopt: it is neither.
struct Authority {
  std::string host;
  std::string port;
  bool is_address = false;
};
std::optional<Authority> parse_authority(std::string_view text) {
  Authority result;
  boost::system::error_code error;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    result.host = small(text.substr(1, end - 1));
    // Without a zone: that is the sender's own (RFC 6874 4).
    (void)boost::asio::ip::make_address_v6(result.host, error);
    if (error || result.host.find('%') != std::string::npos) return std::nullopt;
    result.is_address = true;
    text.remove_prefix(end + 1);
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    result.host = small(text.substr(0, colon));
    text.remove_prefix(colon);
    if (result.host.ends_with('.')) result.host.pop_back();
    const bool fits = std::all_of(result.host.begin(), result.host.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
    });
    if (result.host.empty() || !fits) return std::nullopt;
    (void)boost::asio::ip::make_address_v4(result.host, error);
    result.is_address = !error;
  }
  if (text.empty()) return result;
  if (text.front() != ':') return std::nullopt;
  text.remove_prefix(1);
  constexpr std::size_t kMaxPort = 5;  // digits
  std::uint16_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [read, error_of_port] = std::from_chars(text.data(), end, number);
  // None behind the colon is the default one (RFC 3986 3.2.3).
  if (!text.empty() && (text.size() > kMaxPort || error_of_port != std::errc{} || read != end)) {
    return std::nullopt;
  }
  result.port = text;
  return result;
}

// "https://a:1" of an Origin header, apart.
struct Origin {
  std::string scheme;
  Authority authority;
};
std::optional<Origin> parse_origin(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos) return std::nullopt;
  const auto authority = parse_authority(text.substr(end + 3));
  if (!authority) return std::nullopt;
  return Origin{small(text.substr(0, end)), *authority};
}

std::string port_or_default(const std::string& port, bool tls) {
  return port.empty() ? (tls ? "443" : "80") : port;
}

// 256 bits of chance, hexadecimal.
std::string new_session() {
  std::array<unsigned char, 32> octets;
  if (RAND_bytes(octets.data(), octets.size()) != 1) {
    throw std::runtime_error("no random numbers for a session");
  }
  std::string text;
  for (const unsigned char octet : octets) text += fmt::format("{:02x}", octet);
  return text;
}

std::array<unsigned char, SHA256_DIGEST_LENGTH> digest(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> result;
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), result.data());
  return result;
}

// Whose wrong tokens are counted together: an IPv6 /64 is one client.
std::string key_of(const boost::asio::ip::address& address) {
  if (!address.is_v6()) return address.to_string();
  auto octets = address.to_v6().to_bytes();
  if (address.to_v6().is_v4_mapped()) return address.to_string();
  std::fill(octets.begin() + 8, octets.end(), std::uint8_t{0});
  return boost::asio::ip::address_v6(octets).to_string();
}

}  // namespace

Gate::Gate(Options options, const Gate* before, std::function<Clock::time_point()> now)
    : options_(std::move(options)),
      now_(std::move(now)),
      state_(before != nullptr && before->options_.token == options_.token
                 ? before->state_
                 : std::make_shared<State>()) {}

std::optional<HttpReply> Gate::check_host(const HttpRequest& request) const {
  const std::string* const host = request.header("host");
  if (host == nullptr || request.count("host") != 1) {
    return problem_reply(400, "the request must have exactly one Host header");
  }
  const auto authority = parse_authority(*host);
  if (!authority) return problem_reply(400, "the Host header is neither a name nor an address");
  const auto is_ours = [&](const std::string& name) { return authority->host == small(name); };
  if (authority->is_address || authority->host == "localhost" ||
      std::any_of(options_.hosts.begin(), options_.hosts.end(), is_ours)) {
    return std::nullopt;
  }
  return problem_reply(421,
                       "the console is not reached by this name; add it with 'host' to the "
                       "directive 'console'");
}

bool Gate::is_token(std::string_view text) const {
  // Equally long whatever was sent, so that the time it takes tells nothing.
  const auto a = digest(text);
  const auto b = digest(options_.token);
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

bool Gate::has_session(const HttpRequest& request) {
  std::string_view list = request.header_or_empty("cookie");
  while (!list.empty()) {
    const std::size_t end = std::min(list.find(';'), list.size());
    std::string_view item = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    item.remove_prefix(std::min(item.find_first_not_of(' '), item.size()));
    if (!item.starts_with(kCookie) || item.substr(kCookie.size(), 1) != "=") continue;
    const auto at = state_->sessions.find(std::string(item.substr(kCookie.size() + 1)));
    if (at == state_->sessions.end()) continue;
    if (at->second > now_()) return true;
    state_->sessions.erase(at);
  }
  return false;
}

bool Gate::must_wait(const HttpRequest& request) {
  const auto at = state_->wrong.find(key_of(request.peer));
  if (at == state_->wrong.end()) return false;
  if (at->second.since + kWrongFor <= now_()) {
    state_->wrong.erase(at);
    return false;
  }
  return at->second.count >= kWrongTokens;
}

void Gate::count_wrong(const HttpRequest& request) {
  const auto now = now_();
  if (state_->wrong.size() >= kAddresses) {
    std::erase_if(state_->wrong,
                  [&](const auto& each) { return each.second.since + kWrongFor <= now; });
  }
  // Somebody with so many addresses at once is not held up by one more that is remembered: the
  // oldest goes.
  if (state_->wrong.size() >= kAddresses) {
    state_->wrong.erase(std::min_element(
        state_->wrong.begin(), state_->wrong.end(),
        [](const auto& a, const auto& b) { return a.second.since < b.second.since; }));
  }
  Wrong& wrong = state_->wrong.try_emplace(key_of(request.peer), Wrong{0, now}).first->second;
  ++wrong.count;
}

std::optional<HttpReply> Gate::check_token(const HttpRequest& request) {
  if (options_.token.empty() || has_session(request)) return std::nullopt;
  const auto too_many = [] {
    HttpReply reply = problem_reply(429, "too many wrong tokens; try again in a minute");
    reply.headers.emplace_back("Retry-After", "60");
    return reply;
  };
  if (must_wait(request)) return too_many();
  const std::string_view given = request.header_or_empty("authorization");
  constexpr std::string_view kScheme = "bearer ";
  const bool bearer = small(given.substr(0, kScheme.size())) == kScheme;
  if (bearer && is_token(given.substr(kScheme.size()))) return std::nullopt;
  if (bearer) count_wrong(request);
  if (request.path == "/" && !bearer) return login_form(401, "");
  HttpReply reply = problem_reply(
      401, bearer ? "the token is wrong" : "a token is needed: Authorization: Bearer TOKEN");
  reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

std::optional<HttpReply> Gate::check_origin(const HttpRequest& request) const {
  const auto foreign = [] {
    return problem_reply(403, "the request comes from a page of another origin");
  };
  const std::string_view site = request.header_or_empty("sec-fetch-site");
  if (site == "cross-site" || site == "same-site") return foreign();
  const std::string* const given = request.header("origin");
  if (given == nullptr) return std::nullopt;  // no browser, or not a page
  const auto origin = parse_origin(*given);
  const auto own = parse_authority(request.header_or_empty("host"));
  // "null" is one that hides itself.
  if (!origin || !own || request.count("origin") != 1) return foreign();
  const std::string scheme = options_.tls ? "https" : "http";
  if (origin->scheme != scheme || origin->authority.host != own->host ||
      port_or_default(origin->authority.port, options_.tls) !=
          port_or_default(own->port, options_.tls)) {
    return foreign();
  }
  return std::nullopt;
}

std::optional<HttpReply> Gate::check_edit() const {
  if (options_.allow_edit) return std::nullopt;
  return problem_reply(403,
                       "nothing can be changed here; 'allow_edit' in the directive 'console' "
                       "allows it");
}

HttpReply Gate::log_in(const HttpRequest& request) {
  if (must_wait(request)) {
    HttpReply reply = login_form(429, "Too many wrong tokens. Try again in a minute.");
    reply.headers.emplace_back("Retry-After", "60");
    return reply;
  }
  const auto form = HttpParameters::parse(request.body);
  if (!form) return problem_reply(400, "the form cannot be read");
  if (!options_.token.empty()) {
    if (!is_token(form->get("token"))) {
      count_wrong(request);
      return login_form(401, "The token is wrong.");
    }
    const auto now = now_();
    std::erase_if(state_->sessions, [&](const auto& each) { return each.second <= now; });
    // The one that ends first gives its place.
    if (state_->sessions.size() >= kSessions) {
      state_->sessions.erase(
          std::min_element(state_->sessions.begin(), state_->sessions.end(),
                           [](const auto& a, const auto& b) { return a.second < b.second; }));
    }
  }
  HttpReply reply{303, "", ""};
  reply.headers.emplace_back("Location", "/");
  if (options_.token.empty()) return reply;
  const std::string session = new_session();
  state_->sessions[session] = now_() + kSessionFor;
  reply.headers.emplace_back(
      "Set-Cookie",
      fmt::format("{}={}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}{}", kCookie, session,
                  std::chrono::seconds(kSessionFor).count(), options_.tls ? "; Secure" : ""));
  reply.headers.emplace_back("Cache-Control", "no-store");
  return reply;
}

HttpReply login_form(unsigned status, std::string_view message) {
  HttpReply reply{
      status,
      fmt::format("<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width\">\n"
                  "<title>clusterdns: token</title>\n<main>\n<h1>clusterdns</h1>\n{}"
                  "<form method=\"post\" action=\"/login\">\n"
                  "<label>Token <input type=\"password\" name=\"token\" required autofocus "
                  "autocomplete=\"current-password\"></label>\n<button>Log in</button>\n</form>\n"
                  "</main>\n</html>\n",
                  message.empty() ? "" : fmt::format("<p role=\"alert\">{}</p>\n", message)),
      "text/html; charset=utf-8"};
  reply.headers.emplace_back("Cache-Control", "no-store");
  if (status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer");
  return reply;
}

}  // namespace clusterdns::app
