#include "app/corefile/token_file.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "dns/base/byte_order_mark.h"
#include "dns/base/regular_file.h"

namespace clusterdns::app {
namespace {

constexpr std::size_t kMost = 4096;

}  // namespace

boost::system::result<std::string, std::string> read_token_file(const std::filesystem::path& file) {
  auto text = dns::read_regular_file(file, kMost);
  if (!text) return text;
  const auto fail = [](const char* what) {
    return boost::system::result<std::string, std::string>(boost::system::in_place_error, what);
  };
  if (const char* const what = dns::foreign_encoding(*text)) return fail(what);
  std::string token = std::move(*text);
  dns::drop_byte_order_mark(token);
  while (!token.empty() && (token.back() == '\n' || token.back() == '\r')) token.pop_back();
  const bool prints =
      std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 127; });
  if (token.empty() || !prints) {
    return fail("does not hold a token: one line of characters that print, without spaces");
  }
  return boost::system::result<std::string, std::string>(boost::system::in_place_value,
                                                         std::move(token));
}

}  // namespace clusterdns::app
