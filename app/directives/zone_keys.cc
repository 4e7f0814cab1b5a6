#include "app/directives/zone_keys.h"

#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <utility>
#include <vector>

#include "app/corefile/paths.h"
#include "dns/base/regular_file.h"
#include "registry/kubernetes/config.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kSpace = " \t\r";

// Words of a record: comments and brackets left out.
std::vector<Token> words_of(std::string_view text, const std::string& path) {
  std::vector<Token> words;
  int line = 1;
  std::size_t line_begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const char c = text[at];
    if (c == '\n') {
      ++line;
      line_begin = ++at;
    } else if (c == ';') {
      at = std::min(text.find('\n', at), text.size());
    } else if (kSpace.find(c) != std::string_view::npos || c == '(' || c == ')') {
      ++at;
    } else {
      const std::size_t end = std::min(text.find_first_of(" \t\r\n;()", at), text.size());
      words.push_back({std::string(text.substr(at, end - at)),
                       Position{path, line, static_cast<int>(at - line_begin) + 1}, false});
      at = end;
    }
  }
  return words;
}

std::uint32_t number_of(const Token& word, std::uint32_t most) {
  std::uint32_t value = 0;
  const char* const end = word.text.data() + word.text.size();
  const auto [rest, error] = std::from_chars(word.text.data(), end, value);
  if (error != std::errc() || rest != end || value > most) {
    fail(word, "is not a number from 0 to " + std::to_string(most));
  }
  return value;
}

bool is_word(const Token& word, std::string_view wanted) {
  return std::ranges::equal(
      word.text, wanted, [](char a, char b) { return (a >= 'a' && a <= 'z' ? a - 32 : a) == b; });
}

std::string read_key_file(const std::filesystem::path& path, const Position& at) {
  const auto text = dns::read_regular_file(path, kMaxKeyFile);
  if (!text) {
    fail(at, in_quotes(path.string()) + " " + text.error() +
                 "; a key has two files, K….key and K….private, as `dnssec-keygen` writes them");
  }
  return *text;
}

}  // namespace

PublicKeyText read_public_key(std::string_view text, const std::string& path) {
  const std::vector<Token> words = words_of(text, path);
  const Position begin{path, 1, 1};
  if (words.empty()) fail(begin, "there is no DNSKEY record");
  PublicKeyText key;
  key.owner = zone_name(words[0].text, words[0].at);
  std::size_t next = 1;
  for (; next < words.size() && !is_word(words[next], "DNSKEY"); ++next) {
    if (is_word(words[next], "IN")) continue;
    if (next > 2 || words[next].text.find_first_not_of("0123456789") != std::string::npos) {
      fail(words[next], "stands where DNSKEY should; the file has to begin with a DNSKEY record");
    }
    key.ttl = number_of(words[next], 0x7FFFFFFF);
  }
  if (words.size() < next + 5) {
    fail(words.back(), "ends the record, which needs DNSKEY, flags, protocol, algorithm and key");
  }
  key.flags = static_cast<std::uint16_t>(number_of(words[next + 1], 0xFFFF));
  if (number_of(words[next + 2], 255) != 3) fail(words[next + 2], "is not 3, the protocol");
  key.algorithm = number_of(words[next + 3], 255);
  std::string base64;
  for (std::size_t i = next + 4; i < words.size(); ++i) base64 += words[i].text;
  const auto octets = registry::kubernetes::decode_base64(base64);
  if (!octets || octets->empty()) {
    fail(words[next + 4].at, "the key is not base64; the file has to have one DNSKEY record alone");
  }
  key.key = *octets;
  return key;
}

dns::PrivateKey read_private_key(std::string_view text, const std::string& path,
                                 unsigned* algorithm) {
  struct Field {
    std::string_view name;
    std::vector<std::uint8_t> dns::PrivateKey::*octets;
  };
  static constexpr Field kFields[] = {
      {"PrivateKey", &dns::PrivateKey::secret},
      {"Modulus", &dns::PrivateKey::modulus},
      {"PublicExponent", &dns::PrivateKey::public_exponent},
      {"PrivateExponent", &dns::PrivateKey::private_exponent},
      {"Prime1", &dns::PrivateKey::prime1},
      {"Prime2", &dns::PrivateKey::prime2},
      {"Exponent1", &dns::PrivateKey::exponent1},
      {"Exponent2", &dns::PrivateKey::exponent2},
      {"Coefficient", &dns::PrivateKey::coefficient},
  };
  dns::PrivateKey key;
  *algorithm = 0;
  Position at{path, 0, 1};
  bool has_format = false;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++at.line;
    while (!line.empty() && kSpace.find(line.back()) != std::string_view::npos) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.front() == ';') continue;
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) {
      fail(at, "the line has no name before a colon; take the file as `dnssec-keygen` wrote it");
    }
    const std::string_view name = line.substr(0, colon);
    const std::size_t begin = std::min(line.find_first_not_of(kSpace, colon + 1), line.size());
    const std::string_view value = line.substr(begin);
    Position value_at = at;
    value_at.column = static_cast<int>(begin) + 1;
    if (name == "Private-key-format") {
      if (!value.starts_with("v1."))
        fail(value_at, "the format is not v1, as BIND and ldns have it");
      has_format = true;
    } else if (name == "Algorithm") {
      const Token number{std::string(value.substr(0, value.find(' '))), value_at, false};
      *algorithm = number_of(number, 255);
    } else if (name == "Engine" || name == "Label") {
      fail(at,
           "the key is in a hardware module, which is not supported; sign with a key in a file");
    } else {
      const auto* const field = std::ranges::find(kFields, name, &Field::name);
      // Created, Publish, Activate and the like.
      if (field == std::end(kFields)) continue;
      const auto octets = registry::kubernetes::decode_base64(std::string(value));
      if (!octets || octets->empty()) {
        fail(value_at, "the value of " + std::string(name) + " is not base64");
      }
      (key.*field->octets).assign(octets->begin(), octets->end());
    }
  }
  at.column = 1;
  if (!has_format) {
    fail(Position{path, 1, 1},
         "this is not a private key; the file has to begin with "
         "`Private-key-format: v1.3`");
  }
  if (*algorithm == 0) fail(Position{path, 1, 1}, "there is no line `Algorithm:`");
  return key;
}

SigningKeyFile read_zone_key(const Token& word, BlockSetup& setup) {
  std::filesystem::path base = expand_path(word.text);
  if (base.extension() == ".key" || base.extension() == ".private") base.replace_extension();
  base = setup.root / base;  // an absolute one stays as it is
  const std::string public_path = base.string() + ".key";
  const std::string private_path = base.string() + ".private";
  const PublicKeyText half = read_public_key(read_key_file(public_path, word.at), public_path);
  std::string secret = read_key_file(private_path, word.at);
  unsigned algorithm = 0;
  const dns::PrivateKey other = read_private_key(secret, private_path, &algorithm);
  std::ranges::fill(secret, '\0');
  if (algorithm != half.algorithm) {
    fail(word.at, in_quotes(private_path) + " has algorithm " + std::to_string(algorithm) +
                      ", and the public key has " + std::to_string(half.algorithm));
  }
  const auto key = dns::SigningKey::make(
      half.flags, half.algorithm,
      {reinterpret_cast<const std::uint8_t*>(half.key.data()), half.key.size()}, other);
  if (!key) fail(word.at, "the key " + in_quotes(base.string()) + ": " + key.error());
  struct stat status {};
  if (::stat(private_path.c_str(), &status) == 0 && (status.st_mode & 0006) != 0) {
    setup.environment.problems.warn(
        word.at, "anybody on this machine may " +
                     std::string((status.st_mode & 0002) != 0 ? "write" : "read") + " " +
                     in_quotes(private_path) +
                     "; take that away (`chmod o= FILE`, `defaultMode: 0400` of a Secret)");
  }
  return {half.owner, half.ttl, *key};
}

}  // namespace clusterdns::app
