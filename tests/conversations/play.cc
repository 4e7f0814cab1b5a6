#include "tests/conversations/play.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "app/corefile/error.h"
#include "tests/conversations/records.h"
#include "tests/conversations/server.h"

namespace clusterdns::conversation {
namespace {

using dns::Message;
using dns::RRType;
using Network = dns::ScriptedNetwork;

constexpr std::uint16_t kClientPort = 50000;  // none that ScriptedNetwork sends from
constexpr std::uint16_t kDnsPort = 53;
constexpr std::uint16_t kExtendedErrorOption = 15;  // RFC 8914
constexpr std::uint32_t kDnssecOk = 0x8000;         // in the TTL of OPT, RFC 3225

// Everybody who speaks, by name.
const std::map<std::string, std::string>& clients() {
  static const std::map<std::string, std::string> all{
      {"A", "127.0.0.1"}, {"B", "127.0.0.2"}, {"C", "127.0.0.3"}, {"S", "9.9.9.9"}};
  return all;
}
const std::map<std::string, std::string>& upstreams() {
  static const std::map<std::string, std::string> all{
      {"U", "192.0.2.1"}, {"V", "192.0.2.2"}, {"W", "192.0.2.3"}, {"X", "192.0.2.4"}};
  return all;
}

dns::Endpoint endpoint_of(const std::string& address, std::uint16_t port) {
  return dns::make_endpoint(boost::asio::ip::make_address(address), port);
}

// The words of a step, from left to right.
class Words {
 public:
  explicit Words(const Step& step) : words_(step.words) {}

  [[nodiscard]] bool done() const { return at_ == words_.size(); }
  [[nodiscard]] const std::string& next(const char* what) {
    if (done()) throw BadStep(std::string("there is no ") + what);
    return words_[at_++];
  }
  // Takes them if they are what comes next: "wrong id".
  bool take(std::string_view text) {
    std::size_t at = at_;
    while (!text.empty()) {
      const std::string_view word = text.substr(0, text.find(' '));
      text.remove_prefix(std::min(word.size() + 1, text.size()));
      if (at == words_.size() || words_[at] != word) return false;
      ++at;
    }
    at_ = at;
    return true;
  }
  void expect(std::string_view text) {
    if (!take(text)) throw BadStep("there is no '" + std::string(text) + "' where it should be");
  }
  // A type, if that is what comes next.
  RRType type(RRType otherwise) {
    RRType type = otherwise;
    if (!done() && is_upper(words_[at_]) && dns::rrtype_from_text(words_[at_], &type)) ++at_;
    return type;
  }
  std::optional<std::uint32_t> number() {
    if (done() || words_[at_].front() < '0' || words_[at_].front() > '9') return std::nullopt;
    return number_of(words_[at_++], 0xFFFFFFFF);
  }
  void end() const {
    if (!done()) throw BadStep("'" + words_[at_] + "' is not known here");
  }

 private:
  static bool is_upper(const std::string& word) {
    return std::all_of(word.begin(), word.end(),
                       [](char c) { return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); });
  }

  const std::vector<std::string>& words_;
  std::size_t at_ = 0;
};

// NAME [TYPE] behind some word: which question is meant.
struct About {
  std::string name;
  RRType type = RRType::A;

  [[nodiscard]] bool matches(const Message& message) const {
    if (message.qtype != type) return false;
    if (name == "*") return true;
    dns::Name asked = message.qname;
    asked.make_lower();
    dns::Name mine = name_of(name);
    mine.make_lower();
    return asked == mine;
  }
};

std::optional<About> about_after(Words& words, std::string_view word) {
  if (!words.take(word)) return std::nullopt;
  About about;
  about.name = words.next("name");
  about.type = words.type(RRType::A);
  return about;
}

std::uint16_t rcode_of(const std::string& word) {
  for (std::uint16_t rcode = 0; rcode < 24; ++rcode) {
    if (dns::rcode_to_text(rcode) == word) return rcode;
  }
  throw BadStep("'" + word + "' is not an rcode");
}

Message read(const Octets& octets) {
  auto message = dns::read_message(octets);
  if (!message) throw BadStep("came a message that cannot be read");
  return *message;
}

std::string extended_error_of(const Message& message) {
  const Octets& o = message.opt_options;
  std::string all;
  for (std::size_t at = 0; at + 6 <= o.size(); at += 4 + std::size_t{dns::load_u16(&o[at + 2])}) {
    if (dns::load_u16(&o[at]) == kExtendedErrorOption) {
      all += (all.empty() ? "EDE " : ",") + std::to_string(dns::load_u16(&o[at + 4]));
    }
  }
  return all.empty() ? "no EDE" : all;
}

std::vector<std::string> lines_of(const std::vector<dns::Record>& section, bool in_order) {
  std::vector<std::string> lines;
  for (const dns::Record& record : section) lines.push_back(to_text(record));
  if (!in_order) std::sort(lines.begin(), lines.end());
  return lines;
}

// What of a message is compared, in words.
std::string describe(std::string head, const Message& message, bool in_order) {
  const auto add = [&](const char* name, const std::vector<dns::Record>& section) {
    for (const std::string& line : lines_of(section, in_order)) {
      head += "\n    " + std::string(name) + line;
    }
  };
  add("", message.answer);
  add("authority ", message.authority);
  add("additional ", message.additional);
  return head;
}

// A directory with the files that a Corefile names; gone at the end.
class Files {
 public:
  explicit Files(const Script& script) {
    std::string pattern = (std::filesystem::temp_directory_path() / "conversation-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
    path_ = pattern;
    write("hosts", script.hosts);
    write("manifests.yaml", script.manifests);
  }
  ~Files() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Files(const Files&) = delete;
  Files& operator=(const Files&) = delete;

  // What stands behind `{$NAME}` in the Corefile.
  [[nodiscard]] std::map<std::string, std::string> environment() const {
    std::map<std::string, std::string> all = upstreams();
    all["HOSTS"] = (path_ / "hosts").string();
    all["MANIFESTS"] = (path_ / "manifests.yaml").string();
    return all;
  }

 private:
  void write(const char* name, const std::string& text) const {
    std::ofstream(path_ / name) << text;
  }

  std::filesystem::path path_;
};

class Play {
 public:
  explicit Play(const Script& script)
      : script_(script), files_(script), server_(script, files_.environment()) {}

  void run() {
    for (const Step& step : script_.steps) {
      try {
        take(step);
      } catch (const BadStep& e) {
        throw Failure(script_.file, step.line, std::string(e.what()) + "\n  " + step.text);
      }
    }
    at_the_end();
  }

 private:
  struct Ask {
    std::string client;
    Octets octets;
    Message message;
    dns::Transport transport = dns::Transport::Udp;
    Server::Answers answers;
    bool seen = false;             // its answer is
    bool left_unanswered = false;  // as the conversation says
  };

  [[noreturn]] static void fail(const std::string& expected, const std::string& came) {
    throw BadStep("expected " + expected + "\n  came " + came);
  }

  void take(const Step& step) {
    Words words(step);
    const std::string& who = words.next("word");
    const bool with_records =
        step.words.size() > 2 &&
        (step.words[2] == "answers" || (who == "client" && step.words[2] == "gets"));
    if (!step.records.empty() && !with_records) throw BadStep("this step has no records");
    if (who == "client") {
      const std::string name = words.next("name of a client");
      if (words.take("asks")) return client_asks(name, words);
      words.expect("gets");
      if (words.take("nothing")) return client_gets_nothing(name, words);
      return client_gets(name, words, step);
    }
    if (who == "upstream" || who == "some" || who == "that") {
      std::string name = who == "upstream" ? words.next("name of an upstream") : "";
      if (who != "upstream") words.expect("upstream");
      if (who == "upstream" && !upstreams().contains(name)) {
        throw BadStep("'" + name + "' is not an upstream");
      }
      if (words.take("gets")) return upstream_gets(name, words);
      if (name.empty()) name = last_to_;
      if (words.take("answers")) return upstream_answers(name, words, step);
      if (words.take("sends it back")) return upstream_sends_back(name, words);
      return upstream_fails(name, words);
    }
    if (who == "time") return time_passes(words);
    if (who == "nothing") return nothing_is_sent(words);
    metric(words);
  }

  // --- clients ---

  void client_asks(const std::string& name, Words& words) {
    const auto address = clients().find(name);
    if (address == clients().end()) throw BadStep("'" + name + "' is not a client");
    Message message;
    message.qname = name_of(words.next("name"));
    message.qtype = words.type(RRType::A);
    message.qclass = dns::RRClass::IN;
    message.has_question = true;
    message.id = next_id_++;
    message.flags = dns::kFlagRD;
    message.opt_udp_size = dns::kDefaultUdpSize;
    auto transport = dns::Transport::Udp;
    while (!words.done()) {
      if (words.take("tcp")) {
        transport = dns::Transport::Tcp;
      } else if (words.take("DO")) {
        message.has_opt = true;
        message.opt_ttl = kDnssecOk;
      } else if (words.take("edns")) {
        message.has_opt = true;
        if (const auto size = words.number())
          message.opt_udp_size = static_cast<std::uint16_t>(*size);
      } else if (words.take("CD")) {
        message.flags |= dns::kFlagCD;
      } else if (words.take("AD")) {
        message.flags |= dns::kFlagAD;
      } else if (words.take("norecurse")) {
        message.flags = static_cast<std::uint16_t>(message.flags & ~dns::kFlagRD);
      } else if (words.take("id")) {
        message.id = static_cast<std::uint16_t>(number_of(words.next("id"), 0xFFFF));
      } else {
        words.end();
      }
    }
    ask(name, dns::write_message(message, dns::kMaxMessageSize),
        endpoint_of(address->second, kClientPort), transport);
  }

  void ask(const std::string& name, Octets octets, const dns::Endpoint& from,
           dns::Transport transport) {
    Ask asked;
    asked.client = name;
    asked.octets = octets;
    asked.message = read(octets);
    asked.transport = transport;
    asked.answers = server_.ask(std::move(octets), from, transport);
    asks_.push_back(std::move(asked));
  }

  // The oldest question of `client` whose answer was not looked at yet.
  Ask& pending(const std::string& client, const std::optional<About>& about) {
    for (Ask& ask : asks_) {
      if (ask.client == client && !ask.seen && (!about || about->matches(ask.message))) return ask;
    }
    throw BadStep("client " + client + " has no such question that is still open");
  }

  void client_gets_nothing(const std::string& client, Words& words) {
    Ask& ask = pending(client, about_after(words, "for"));
    words.end();
    if (!ask.answers->empty())
      fail("no answer", describe_answer(ask, read(ask.answers->front()), {}));
    ask.left_unanswered = true;
  }

  struct Wanted {
    bool in_order = false;
    bool with_error = false;
  };

  static std::string describe_answer(const Ask&, const Message& message, const Wanted& wanted) {
    std::string head = dns::rcode_to_text(message.rcode);
    if ((message.flags & dns::kFlagAA) != 0) head += " AA";
    if ((message.flags & dns::kFlagTC) != 0) head += " TC";
    if ((message.flags & dns::kFlagAD) != 0) head += " AD";
    if ((message.flags & dns::kFlagRA) == 0) head += " noRA";
    if (wanted.with_error) head += " " + extended_error_of(message);
    return describe(head, message, wanted.in_order);
  }

  void client_gets(const std::string& client, Words& words, const Step& step) {
    Message expected;
    Wanted wanted;
    std::optional<About> about;
    std::optional<std::uint32_t> most;
    expected.rcode = rcode_of(words.next("rcode"));
    expected.flags = dns::kFlagRA;
    std::string error;
    while (!words.done()) {
      if (words.take("AA")) {
        expected.flags |= dns::kFlagAA;
      } else if (words.take("TC")) {
        expected.flags |= dns::kFlagTC;
      } else if (words.take("AD")) {
        expected.flags |= dns::kFlagAD;
      } else if (words.take("noRA")) {
        expected.flags = static_cast<std::uint16_t>(expected.flags & ~dns::kFlagRA);
      } else if (words.take("EDE")) {
        error = words.next("number");
      } else if (words.take("no EDE")) {
        wanted.with_error = true;
      } else if (words.take("in this order")) {
        wanted.in_order = true;
      } else if (words.take("at most")) {
        most = number_of(words.next("number"), dns::kMaxMessageSize);
        words.expect("octets");
      } else if (auto which = about_after(words, "for")) {
        about = which;
      } else {
        words.end();
      }
    }
    if (!error.empty()) {
      wanted.with_error = true;
      expected.has_opt = true;
      for (std::size_t at = 0; at <= error.size();) {
        const std::size_t end = std::min(error.find(',', at), error.size());
        Octets& options = expected.opt_options;
        options.resize(options.size() + 6);
        std::uint8_t* const option = options.data() + options.size() - 6;
        dns::store_u16(option, kExtendedErrorOption);
        dns::store_u16(option + 2, 2);
        dns::store_u16(option + 4,
                       static_cast<std::uint16_t>(number_of(error.substr(at, end - at), 0xFFFF)));
        at = end + 1;
      }
    }
    const bool any_serial = add_records(step, expected);
    Ask& ask = pending(client, about);
    const std::string text = describe_answer(ask, expected, wanted);
    if (ask.answers->empty()) fail(text, "no answer");
    const Octets& octets = ask.answers->front();
    Message came = read(octets);
    if (any_serial) forget_serials(came);
    const std::string came_text = describe_answer(ask, came, wanted);
    if (text != came_text) fail(text, came_text);
    check_frame(ask, came);
    if (most && octets.size() > *most) {
      fail("at most " + std::to_string(*most) + " octets", std::to_string(octets.size()));
    }
    ask.seen = true;
  }

  // What every answer owes to its question (RFC 1035 4.1.1, RFC 6891 7, RFC 4035 3.2.2).
  static void check_frame(const Ask& ask, const Message& came) {
    const auto same = [](const char* what, auto expected, auto got) {
      if (expected != got) {
        fail(std::string("the ") + what + " of the question: " + std::to_string(expected),
             std::to_string(got));
      }
    };
    same("id", ask.message.id, came.id);
    constexpr std::uint16_t kEchoed = dns::kFlagRD | dns::kFlagCD;
    same("RD and CD bits", ask.message.flags & kEchoed, came.flags & kEchoed);
    same("type", static_cast<int>(ask.message.qtype), static_cast<int>(came.qtype));
    same("EDNS", ask.message.has_opt, came.has_opt);
    same("DO bit", ask.message.opt_ttl & kDnssecOk, came.opt_ttl & kDnssecOk);
    if ((came.flags & dns::kFlagQR) == 0) fail("a response", "a query");
    if (!(ask.message.qname == came.qname)) {
      fail("the question in its letters: " + ask.message.qname.to_text(), came.qname.to_text());
    }
  }

  // The time of day is the serial of zones that the program makes. 0 in all of them.
  static void forget_serials(Message& message) {
    constexpr std::size_t kFromSerialOn = 20;
    for (dns::Record& record : message.authority) {
      if (record.type != RRType::SOA || record.rdata.size() < kFromSerialOn) continue;
      dns::store_u32(record.rdata.data() + record.rdata.size() - kFromSerialOn, 0);
    }
  }

  // True when an SOA may have any serial, written `*`; it is 0 then.
  static bool add_records(const Step& step, Message& message) {
    bool any_serial = false;
    for (std::vector<std::string> words : step.records) {
      auto* section = &message.answer;
      if (words.front() == "authority") section = &message.authority;
      if (words.front() == "additional") section = &message.additional;
      if (section != &message.answer) words.erase(words.begin());
      constexpr std::size_t kSerial = 5;
      if (words.size() > kSerial && words[2] == "SOA" && words[kSerial] == "*") {
        words[kSerial] = "0";
        any_serial = true;
      }
      for (const std::string& word : range_of(words.size() < 4 ? "" : words[3])) {
        if (words.size() > 3) words[3] = word;
        section->push_back(record_of(words));
      }
    }
    return any_serial;
  }

  // "198.51.100.1-40" is forty addresses.
  static std::vector<std::string> range_of(const std::string& word) {
    const std::size_t dash = word.find('-');
    const std::size_t dot = word.rfind('.');
    if (dash == std::string::npos || dot == std::string::npos || dash < dot ||
        word.find_first_not_of("0123456789.-") != std::string::npos) {
      return {word};
    }
    std::vector<std::string> all;
    const std::uint32_t last = number_of(word.substr(dash + 1), 255);
    for (std::uint32_t i = number_of(word.substr(dot + 1, dash - dot - 1), 255); i <= last; ++i) {
      all.push_back(word.substr(0, dot + 1) + std::to_string(i));
    }
    return all;
  }

  // --- upstreams ---

  // "U", by where it was sent to.
  static std::string to_of(const Network::Request& request) {
    const auto transport = request.from.lock();
    if (!transport) return "?";
    const std::string address = transport->endpoint(request.upstream).to_address().to_string();
    for (const auto& [name, text] : upstreams()) {
      if (text == address) return name;
    }
    return address;
  }

  static std::string describe_request(const Network::Request& request) {
    const Message message = request.message();
    std::string text = message.qname.to_text() + " " + dns::rrtype_to_text(message.qtype);
    if (request.transport == dns::Transport::Tcp) text += " tcp";
    if (!message.has_opt) text += " noedns";
    if ((message.opt_ttl & kDnssecOk) != 0) text += " DO";
    if ((message.flags & dns::kFlagCD) != 0) text += " CD";
    if ((message.flags & dns::kFlagAD) != 0) text += " AD";
    if ((message.flags & dns::kFlagRD) == 0) text += " norecurse";
    return text;
  }

  // Requests that no step has seen, to `name`, or to anybody.
  std::vector<std::size_t> unseen(const std::string& name) {
    std::vector<std::size_t> all;
    const auto& requests = server_.network().requests;
    for (std::size_t i = 0; i < requests.size(); ++i) {
      if (!seen_.contains(i) && (name.empty() || to_of(requests[i]) == name)) all.push_back(i);
    }
    return all;
  }

  std::string describe_unseen(const std::string& name) {
    std::string text;
    for (const std::size_t i : unseen(name)) {
      const Network::Request& request = server_.network().requests[i];
      text += (text.empty() ? "to " : "; to ") + to_of(request) + ": " + describe_request(request);
    }
    return text.empty() ? "nothing was sent" + (name.empty() ? "" : " to " + name) : text;
  }

  void upstream_gets(const std::string& name, Words& words) {
    // `*` stands for any name.
    const std::string qname = words.next("name");
    std::string expected = qname == "*" ? "*" : name_of(qname).to_text();
    expected += " " + dns::rrtype_to_text(words.type(RRType::A));
    const bool mixed = words.take("mixed");
    for (const char* word : {"tcp", "noedns", "DO", "CD", "AD", "norecurse"}) {
      if (words.take(word)) expected += std::string(" ") + word;
    }
    words.end();
    for (const std::size_t i : unseen(name)) {
      const Network::Request& request = server_.network().requests[i];
      std::string text = describe_request(request);
      if (mixed) {
        const std::string as_it_came = text;
        const auto name_end = text.begin() + static_cast<std::ptrdiff_t>(text.find(' '));
        std::transform(text.begin(), name_end, text.begin(), [](char c) {
          return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
        });
        if (text == as_it_came) continue;
      }
      if (qname == "*") text = "*" + text.substr(text.find(' '));
      if (text != expected) continue;
      seen_.insert(i);
      last_to_ = to_of(request);
      got_[last_to_].push_back(i);
      return;
    }
    fail((name.empty() ? "some upstream" : name) + " to get " + expected, describe_unseen(name));
  }

  const Network::Request& request_to(const std::string& name, const std::optional<About>& about) {
    const auto& got = got_[name];
    for (auto at = got.rbegin(); at != got.rend(); ++at) {
      const Network::Request& request = server_.network().requests[*at];
      if (!about || about->matches(request.message())) return request;
    }
    throw BadStep("no step has seen that upstream " + name + " got such a request");
  }

  void upstream_answers(const std::string& name, Words& words, const Step& step) {
    std::optional<About> to;
    std::optional<About> about;
    Message reply;
    bool wrong_id = false, malformed = false, cut = false, no_question = false, query = false;
    bool no_opt = false;
    std::optional<std::uint16_t> error;
    const std::uint16_t rcode = rcode_of(words.next("rcode"));
    std::uint16_t flags = dns::kFlagQR | dns::kFlagRA;
    while (!words.done()) {
      if (words.take("AA")) {
        flags |= dns::kFlagAA;
      } else if (words.take("TC")) {
        flags |= dns::kFlagTC;
      } else if (words.take("AD")) {
        flags |= dns::kFlagAD;
      } else if (words.take("EDE")) {
        error = static_cast<std::uint16_t>(number_of(words.next("number"), 0xFFFF));
      } else if (words.take("with a wrong id")) {
        wrong_id = true;
      } else if (words.take("malformed")) {
        malformed = true;
      } else if (words.take("cut")) {
        cut = true;
      } else if (words.take("as a query")) {
        query = true;
      } else if (words.take("without a question")) {
        no_question = true;
      } else if (words.take("without OPT")) {
        no_opt = true;
      } else if (auto which = about_after(words, "to")) {
        to = which;
      } else if (auto what = about_after(words, "about")) {
        about = what;
      } else {
        words.end();
      }
    }
    const Network::Request& request = request_to(name, to);
    const Message asked = request.message();
    reply = asked;
    reply.rcode = rcode;
    reply.flags = static_cast<std::uint16_t>((asked.flags & (dns::kFlagRD | dns::kFlagCD)) | flags);
    if (query) reply.flags = static_cast<std::uint16_t>(reply.flags & ~dns::kFlagQR);
    if (about) {
      reply.qname = name_of(about->name);
      reply.qtype = about->type;
    }
    reply.has_question = !no_question;
    reply.has_opt = asked.has_opt && !no_opt;
    reply.opt_ttl &= kDnssecOk;
    reply.opt_options.clear();
    if (error) {
      reply.opt_options.resize(6);
      dns::store_u16(reply.opt_options.data(), kExtendedErrorOption);
      dns::store_u16(reply.opt_options.data() + 2, 2);
      dns::store_u16(reply.opt_options.data() + 4, *error);
    }
    if (wrong_id) reply.id ^= 0x5555;
    if (add_records(step, reply)) throw BadStep("an upstream's SOA needs a serial");
    Octets octets = dns::write_message(reply, dns::kMaxMessageSize);
    // One record more than there are.
    if (malformed) dns::store_u16(&octets[6], static_cast<std::uint16_t>(reply.answer.size() + 1));
    (void)server_.network().receive(request, std::move(octets), cut);
  }

  void upstream_fails(const std::string& name, Words& words) {
    using At = dns::TransportFailure::Step;
    dns::TransportFailure failure;
    if (words.take("is unreachable")) {
      failure = {At::Read, ECONNREFUSED, {}};
    } else if (words.take("refuses the connection")) {
      failure = {At::Connect, ECONNREFUSED, {}};
    } else {
      words.expect("closes the connection");
      failure.after_answers = words.take("after answers");
    }
    const auto to = about_after(words, "for");
    words.end();
    if (!server_.network().fail(request_to(name, to), failure)) {
      throw BadStep("nobody waits for upstream " + name + " there any more");
    }
  }

  // Its request comes in as a query of the upstream's: there is a circle.
  void upstream_sends_back(const std::string& name, Words& words) {
    words.end();
    const Network::Request& request = request_to(name, std::nullopt);
    ask(name, request.octets, endpoint_of(upstreams().at(name), kDnsPort), request.transport);
  }

  // --- the rest ---

  void time_passes(Words& words) {
    words.expect("passes");
    const std::string text = words.next("time");
    words.end();
    const std::size_t unit_at = text.find_first_not_of("0123456789");
    const std::string unit = unit_at == std::string::npos ? "" : text.substr(unit_at);
    const std::uint32_t count = number_of(text.substr(0, unit_at), 10'000'000);
    const std::int64_t factor = unit == "ms"  ? 1
                                : unit == "s" ? 1000
                                : unit == "m" ? 60'000
                                : unit == "h" ? 3'600'000
                                              : 0;
    if (factor == 0) throw BadStep("write times as 20ms, 3s, 5m or 1h");
    server_.network().pass(std::chrono::milliseconds(count * factor));
  }

  void nothing_is_sent(Words& words) {
    words.expect("is sent");
    words.end();
    if (!unseen("").empty()) fail("nothing to be sent", describe_unseen(""));
  }

  void metric(Words& words) {
    const std::string series = words.next("name of a metric");
    words.expect("is");
    const bool at_least = words.take("at least");
    const bool at_most = !at_least && words.take("at most");
    const std::uint32_t expected = number_of(words.next("number"), 0xFFFFFFFF);
    words.end();
    // What was never counted is not there.
    double value = 0;
    const std::string text = "\n" + server_.metrics();
    const std::size_t at = text.find("\n" + series + " ");
    if (at != std::string::npos) value = std::stod(text.substr(at + series.size() + 2));
    if (at_least ? value >= expected : at_most ? value <= expected : value == expected) return;
    std::string came = std::to_string(value) + "; metrics are";
    const std::string family = series.substr(0, series.find('{'));
    for (std::size_t line = text.find("\n" + family); line != std::string::npos;
         line = text.find("\n" + family, line + 1)) {
      came += text.substr(line, text.find('\n', line + 1) - line);
    }
    fail(series +
             (at_least  ? " at least "
              : at_most ? " at most "
                        : " ") +
             std::to_string(expected),
         came);
  }

  // Whatever happened has been told.
  void at_the_end() {
    const auto left = [this](const std::string& what) {
      throw Failure(script_.file, script_.last_line, "at the end, " + what);
    };
    if (!unseen("").empty()) left("these requests were not expected: " + describe_unseen(""));
    for (const Ask& ask : asks_) {
      if (ask.seen) continue;
      const std::string who = "client " + ask.client;
      const std::string about = " about " + ask.message.qname.to_text();
      if (!ask.answers->empty()) {
        left(who + " has an answer" + about +
             " that was not expected: " + describe_answer(ask, read(ask.answers->front()), {}));
      }
      if (!ask.left_unanswered) left(who + " still waits for an answer" + about);
    }
    for (const Ask& ask : asks_) {
      if (ask.answers->size() > 1) left("client " + ask.client + " was answered more than once");
    }
  }

  const Script& script_;
  const Files files_;
  Server server_;
  std::deque<Ask> asks_;
  std::set<std::size_t> seen_;                           // of the network's requests
  std::map<std::string, std::vector<std::size_t>> got_;  // the same, by upstream
  std::string last_to_;
  std::uint16_t next_id_ = 1000;
};

}  // namespace

void play(const Script& script) {
  try {
    Play(script).run();
  } catch (const app::ConfigError& e) {
    throw Failure(script.file, e.at().line, e.what());
  }
}

}  // namespace clusterdns::conversation
