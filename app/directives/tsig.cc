// tsig [ZONES…] { secret NAME KEY [ALGORITHM]  secrets FILE  require TYPE… }
#include "app/directives/tsig.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "app/corefile/options.h"
#include "app/corefile/paths.h"
#include "app/directives/zone_options.h"
#include "dns/base/regular_file.h"
#include "dns/policy/tsig_stage.h"
#include "registry/kubernetes/config.h"

namespace clusterdns::app {
namespace {

constexpr std::string_view kAlgorithms =
    "choose from: hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384, hmac-sha512";

// The keys of one server: as in CoreDNS, those of a block are known to all blocks of its address.
class TsigRing final : public Companion {
 public:
  explicit TsigRing(std::string server) : server_(std::move(server)) {}
  void start(boost::asio::io_context&) override {}
  void stop() noexcept override {}
  [[nodiscard]] const std::string& server() const noexcept { return server_; }
  // Complete when the configuration is.
  [[nodiscard]] const std::shared_ptr<dns::TsigKeys>& keys() const noexcept { return keys_; }

 private:
  const std::string server_;
  const std::shared_ptr<dns::TsigKeys> keys_ = std::make_shared<dns::TsigKeys>();
};

std::shared_ptr<dns::TsigKeys> keys_of(BlockSetup& setup) {
  for (const auto& companion : setup.environment.companions) {
    const auto ring = std::dynamic_pointer_cast<TsigRing>(companion);
    if (ring != nullptr && ring->server() == setup.server) return ring->keys();
  }
  auto ring = std::make_shared<TsigRing>(setup.server);
  setup.environment.companions.push_back(ring);
  return ring->keys();
}

// A key of its words. They are not repeated in messages: one of them is a secret.
dns::TsigKey make_key(const Position& at, const std::string& name, const std::string& secret,
                      std::string_view algorithm) {
  dns::TsigKey key;
  key.name = zone_name(name, at);
  const auto octets = registry::kubernetes::decode_base64(secret);
  if (!octets || octets->empty()) {
    fail(at,
         std::string(secret.empty() ? "a key has no secret" : "the secret of a key is not base64") +
             "; take it as `tsig-keygen` or `keymgr -t` print it");
  }
  key.secret.assign(octets->begin(), octets->end());
  const auto known = dns::tsig_algorithm(algorithm);
  if (!known) {
    fail(at, "the algorithm is not supported; " + std::string(kAlgorithms));
  }
  key.algorithm = *known;
  if (!dns::can_sign(key)) {
    fail(at,
         "OpenSSL on this machine does not provide this algorithm; see its configuration "
         "(openssl.cnf), or choose another one");
  }
  return key;
}

// What the lines of the block are read into.
struct Reading {
  BlockSetup& setup;
  dns::TsigStage::Options stage;
  std::shared_ptr<dns::TsigKeys> keys;
};

void add_key(dns::TsigKey key, const Position& at, Reading& reading) {
  const dns::Name name = key.name;
  if (reading.keys->size() == kMaxTsigKeys) {
    fail(at, "there are more than " + std::to_string(kMaxTsigKeys) + " keys; remove some");
  }
  if (!reading.keys->add(std::move(key))) {
    fail(at, "the key \"" + name.to_text() + "\" is given twice; remove one of them");
  }
}

void read_secret(const Directive& line, Reading& reading) {
  add_key(make_key(line.name.at, line.args[0].text, line.args[1].text,
                   line.args.size() > 2 ? std::string_view(line.args[2].text) : "hmac-sha256"),
          line.name.at, reading);
}

void read_secrets(const Directive& line, Reading& reading) {
  std::filesystem::path path = expand_path(line.args[0].text);
  if (path.is_relative()) path = reading.setup.root / path;
  if (reading.setup.environment.elsewhere) return;
  const auto text = dns::read_regular_file(path, kMaxTsigFile);
  if (!text) fail(line.args[0], text.error() + "; name a file of keys that can be read");
  for (dns::TsigKey& key : read_tsig_keys(*text, path.string())) {
    add_key(std::move(key), line.args[0].at, reading);
  }
}

void read_require(const Directive& line, Reading& reading) {
  dns::TsigStage::Options& options = reading.stage;
  options.required.clear();
  if (line.args.size() == 1 && line.args[0].text == "all") {
    options.require_all = true;
    return;
  }
  if (line.args.size() == 1 && line.args[0].text == "none") return;
  for (const Token& type : line.args) options.required.push_back(parse_rrtype(type));
}

void read_require_opcode(const Directive& line, Reading& reading) {
  static constexpr std::string_view kOpcodes[] = {"all",    "none",   "QUERY", "IQUERY",
                                                  "STATUS", "NOTIFY", "UPDATE"};
  dns::TsigStage::Options& options = reading.stage;
  options.require_notify = options.require_queries = false;
  for (const Token& token : line.args) {
    Token word = token;
    const bool is_opcode = word.text != "all" && word.text != "none";
    for (char& c : word.text) {
      if (is_opcode && c >= 'a' && c <= 'z') c -= 'a' - 'A';
    }
    const std::string_view opcode = parse_choice(word, kOpcodes);
    // The others are not served: NOTIMP, signed or not.
    if (opcode == "all" || opcode == "QUERY") options.require_queries = true;
    if (opcode == "all" || opcode == "NOTIFY") options.require_notify = true;
  }
}

constexpr Option kOptions[] = {
    option<&read_secret>("secret", "NAME KEY [ALGORITHM]",
                         "a key; hmac-sha1, hmac-sha224, hmac-sha256, hmac-sha384 or hmac-sha512",
                         "hmac-sha256"),
    option<&read_secrets>("secrets", "FILE", "keys of a file, as named.conf has them"),
    option<&read_require>("require", "all|none|TYPE…",
                          "the types whose queries are REFUSED when they are not signed", "`none`"),
    option<&read_require_opcode>("require_opcode", "all|none|OPCODE…",
                                 "the same for QUERY and NOTIFY; other opcodes are not served",
                                 "`none`"),
};

Metrics::Collector tsig_metrics(std::shared_ptr<const dns::TsigStage> stage, std::string server,
                                std::string zone) {
  return [stage = std::move(stage), server = std::move(server),
          zone = std::move(zone)](Exposition& out) {
    static constexpr const char* kResults[] = {"good",   "unsigned", "formerr", "badsig",
                                               "badkey", "badtime",  "badtrunc"};
    static_assert(std::size(kResults) == dns::TsigStage::kResults);
    for (std::size_t i = 0; i < std::size(kResults); ++i) {
      out.counter("clusterdns_tsig_requests_total",
                  "Requests with a TSIG record, or refused for want of one, by result.",
                  {{"server", server}, {"zone", zone}, {"result", kResults[i]}},
                  static_cast<double>(stage->total(static_cast<dns::TsigStage::Result>(i))));
    }
  };
}

// Words, strings, braces and semicolons of a named.conf.
class KeyFile {
 public:
  KeyFile(std::string_view text, const std::string& path) : text_(text), at_{path, 1, 0} {}

  struct Word {
    std::string text;
    Position at;
    bool quoted = false;
  };
  // An empty word that is not quoted is the end.
  Word next() {
    skip_space();
    Word word{{}, at_, false};
    word.at.column = static_cast<int>(place_ - line_begin_) + 1;
    if (place_ == text_.size()) return word;
    if (text_[place_] == '"') {
      const std::size_t end = text_.find_first_of("\"\n", place_ + 1);
      if (end == std::string_view::npos || text_[end] == '\n') {
        fail(word.at, "a quote is not closed");
      }
      word.text = text_.substr(place_ + 1, end - place_ - 1);
      word.quoted = true;
      place_ = end + 1;
      return word;
    }
    const std::size_t begin = place_;
    if (std::string_view("{};").find(text_[place_]) != std::string_view::npos) {
      ++place_;
    } else {
      place_ = std::min(text_.find_first_of("{};\" \t\r\n", place_), text_.size());
    }
    word.text = text_.substr(begin, place_ - begin);
    return word;
  }
  void expect(std::string_view wanted, const char* where) {
    const Word word = next();
    if (word.text != wanted || word.quoted) {
      fail(word.at, "'" + std::string(wanted) + "' is missing " + where);
    }
  }

 private:
  void skip_space() {
    for (; place_ < text_.size(); ++place_) {
      const std::string_view rest = text_.substr(place_);
      if (rest[0] == '\n') {
        ++at_.line;
        line_begin_ = place_ + 1;
      } else if (rest[0] == '#' || rest.starts_with("//")) {
        place_ = std::min(text_.find('\n', place_), text_.size()) - 1;
      } else if (rest.starts_with("/*")) {
        const std::size_t end = text_.find("*/", place_ + 2);
        at_.column = static_cast<int>(place_ - line_begin_) + 1;
        const std::string_view comment = text_.substr(place_, end - place_);
        at_.line += static_cast<int>(std::count(comment.begin(), comment.end(), '\n'));
        if (end == std::string_view::npos) fail(at_, "a comment is not closed");
        if (const auto line = comment.rfind('\n'); line != std::string_view::npos) {
          line_begin_ = place_ + line + 1;
        }
        place_ = end + 1;
      } else if (rest[0] != ' ' && rest[0] != '\t' && rest[0] != '\r') {
        return;
      }
    }
  }

  const std::string_view text_;
  Position at_;
  std::size_t place_ = 0;
  std::size_t line_begin_ = 0;
};

}  // namespace

std::vector<dns::TsigKey> read_tsig_keys(std::string_view text, const std::string& path) {
  std::vector<dns::TsigKey> keys;
  KeyFile file(text, path);
  for (;;) {
    const KeyFile::Word begin = file.next();
    if (begin.text.empty() && !begin.quoted) return keys;
    if (begin.text == ";" && !begin.quoted) continue;
    if (begin.text != "key") {
      fail(begin.at, "only keys may stand here; write `key \"NAME\" { secret \"BASE64\"; };`");
    }
    const KeyFile::Word name = file.next();
    if (name.text.empty() || (!name.quoted && name.text == "{")) {
      fail(name.at, "the key has no name; write `key \"NAME\" { … };`");
    }
    file.expect("{", "behind the name of the key");
    std::string secret;
    std::string algorithm = "hmac-sha256";
    for (;;) {
      const KeyFile::Word what = file.next();
      if (what.text == "}" && !what.quoted) break;
      if (what.text != "secret" && what.text != "algorithm") {
        fail(what.at, what.text.empty() ? "'}' is missing at the end of the key"
                                        : "only `algorithm` and `secret` may stand in a key");
      }
      const KeyFile::Word value = file.next();
      (what.text == "secret" ? secret : algorithm) = value.text;
      file.expect(";", what.text == "secret" ? "behind the secret" : "behind the algorithm");
    }
    keys.push_back(make_key(name.at, name.text, secret, algorithm));
    if (keys.size() > kMaxTsigKeys) {
      fail(name.at, "there are more than " + std::to_string(kMaxTsigKeys) + " keys; remove some");
    }
  }
}

std::span<const Option> tsig_options() { return kOptions; }

void set_up_tsig(const Directive& directive, BlockSetup& setup) {
  Environment& environment = setup.environment;
  Reading reading{setup, {}, keys_of(setup)};
  std::string zones;
  environment.problems.attempt([&] {
    refuse_option_names(directive.args, kOptions);
    for (const std::string& zone : parse_zones(directive.args, setup.block)) {
      reading.stage.zones.add(zone_name(zone, directive.name.at));
      zones += (zones.empty() ? "" : ",") + zone;
    }
  });
  read_options(directive, kOptions, environment.problems, reading);
  reading.stage.keys = reading.keys;
  reading.stage.workers = environment.workers;
  const bool requires_some = reading.stage.require_all || !reading.stage.required.empty() ||
                             reading.stage.require_queries || reading.stage.require_notify;
  const auto stage = std::make_shared<dns::TsigStage>(std::move(reading.stage));
  setup.route.stages.push_back(stage);
  environment.collectors.push_back(tsig_metrics(stage, setup.server, std::move(zones)));
  setup.finish.push_back(
      [&environment, keys = reading.keys, requires_some, at = directive.name.at] {
        // Not where an error says why.
        if (!requires_some || keys->size() != 0 || environment.problems.has_errors()) return;
        environment.problems.warn(
            at, "there is no key: what has to be signed is refused to everybody; add `secret`");
      });
}

std::shared_ptr<const dns::TsigKey> signing_key(const Token& name, BlockSetup& setup) {
  dns::Name wanted = zone_name(name.text, name.at);
  wanted.make_lower();
  auto key = keys_of(setup)->find(wanted.view());
  if (key == nullptr) {
    fail(name, "is not the name of a key; give it with `tsig { secret NAME KEY }` in this block");
  }
  return key;
}

}  // namespace clusterdns::app
