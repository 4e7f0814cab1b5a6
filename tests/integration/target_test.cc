// synthetic, fault and evidence in the program: what every label and word of a rule does to the
// octets.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>

#include <poll.h>
#include <unistd.h>

#include "integration/fixture.h"
#include "support/http_client.h"

namespace clusterdns::test {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long nothing is waited for.
constexpr milliseconds kSilence{300};

std::uint16_t u16(const Octets& octets, std::size_t at) {
  return static_cast<std::uint16_t>(octets.at(at) << 8 | octets.at(at + 1));
}

class Target : public Integration {
 protected:
  void start(const std::string& more = {}, unsigned workers = 1) {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n  workers " + std::to_string(workers) +
                   "\n  synthetic bench.test\n  fault fault.test {\n    seed 42\n" + more +
                   "  }\n}\n");
  }
  // The answer over UDP as it is; nullopt: none.
  std::optional<Octets> raw(const std::string& name, const std::string& type = "A",
                            bool edns = false, std::uint16_t id = 0x1234) {
    UdpClient client(endpoint());
    client.send(encode({.name = name,
                        .type = type,
                        .edns = edns ? std::optional<Edns>(Edns{}) : std::nullopt,
                        .id = id}));
    return client.receive(Deadline::exactly(kSilence));
  }
  Octets answered(const std::string& name, const std::string& type = "A", bool edns = false) {
    UdpClient client(endpoint());
    client.send(encode({.name = name,
                        .type = type,
                        .edns = edns ? std::optional<Edns>(Edns{}) : std::nullopt,
                        .id = 0x1234}));
    const auto octets = client.receive(Deadline::after(kAnswerTimeout));
    if (!octets) throw TestError("no answer to " + name);
    return *octets;
  }
  Message message(const std::string& name, const std::string& type = "A", bool edns = false) {
    return decode(answered(name, type, edns));
  }
};

TEST_F(Target, SyntheticAsTheCommandSays) {
  start();
  for (const auto& [name, type] :
       std::vector<std::pair<std::string, std::string>>{{"x1.bench.test.", "A"},
                                                        {"a3.x1.bench.test.", "AAAA"},
                                                        {"X1.bench.test.", "TXT"},
                                                        {"x1.bench.test.", "SRV"},
                                                        {"chain2.x1.bench.test.", "A"},
                                                        {"ttl5.x1.bench.test.", "A"},
                                                        {"bench.test.", "SOA"}}) {
    ProcessOptions options;
    options.arguments = {"synthetic", name, type};
    const RunResult command = run(options);
    EXPECT_EQ(command.exit_code, 0) << command.standard_error;
    std::string expected;
    for (const Record& record : ask(name, type).answer) {
      expected += record.owner + " " + std::to_string(record.ttl) + " IN " +
                  type_to_text(record.type) + " " + record.data + "\n";
    }
    EXPECT_EQ(command.standard_output, expected);
  }
  for (const auto& words :
       std::vector<std::vector<std::string>>{{"synthetic", "x1.other.test"},
                                             {"synthetic", "x1.bench.test", "NOTHING"},
                                             {"synthetic", "a..b", "A"},
                                             {"synthetic"}}) {
    ProcessOptions options;
    options.arguments = words;
    EXPECT_EQ(run(options).exit_code, 2);
  }
}

TEST_F(Target, WithoutFaultsItIsSynthetic) {
  start();
  const Message answer = message("x1.fault.test");
  EXPECT_EQ(answer.rcode, 0);
  EXPECT_TRUE(answer.has(kFlagAA));
  ASSERT_EQ(answer.answer.size(), 1u);
  EXPECT_EQ(answer.answer[0].data, ask("x1.bench.test").answer[0].data);
  EXPECT_EQ(message("a4.drop-x.x1.fault.test").answer.size(), 4u);  // `drop-x` is a word
}

TEST_F(Target, WhatItSays) {
  start();
  EXPECT_EQ(raw("drop.x.fault.test"), std::nullopt);
  for (const auto& [label, rcode] : std::map<std::string, int>{
           {"formerr", 1}, {"servfail", 2}, {"nxdomain", 3}, {"notimp", 4}, {"refused", 5}}) {
    const Message answer = message(label + ".x.fault.test");
    EXPECT_EQ(answer.rcode, rcode);
    EXPECT_TRUE(answer.answer.empty());
    EXPECT_FALSE(answer.has(kFlagAA));
    EXPECT_EQ(answer.authority.size(), label == "nxdomain" ? 1u : 0u);
  }
  const Message nodata = message("NoData.x.fault.test");
  EXPECT_EQ(nodata.rcode, 0);
  EXPECT_TRUE(nodata.answer.empty());
  ASSERT_EQ(nodata.authority.size(), 1u);
  EXPECT_EQ(nodata.authority[0].text(),
            "fault.test. 60 IN SOA ns.fault.test. hostmaster.fault.test. 1 7200 1800 86400 60");
  EXPECT_TRUE(message("nosoa.nodata.x.fault.test").authority.empty());
  EXPECT_TRUE(message("nosoa.x.fault.test", "MX").authority.empty());
  EXPECT_FALSE(message("noaa.x.fault.test").has(kFlagAA));
  const Message loop = message("loop.x.fault.test");
  ASSERT_EQ(loop.answer.size(), 1u);
  EXPECT_EQ(loop.answer[0].text(), "loop.x.fault.test. 60 IN CNAME loop.x.fault.test.");
  EXPECT_EQ(message("chain3.x.fault.test").answer.size(), 4u);
  EXPECT_EQ(message("ttl7.x.fault.test").answer[0].ttl, 7u);
  EXPECT_EQ(message("whoami.x.fault.test").answer[0].data, "127.0.0.1");
  EXPECT_EQ(message("whoami.x.fault.test", "AAAA").authority.size(), 1u);
  UdpClient who(endpoint());
  const Message text = who.exchange({.name = "whoami.fault.test", .type = "TXT", .id = 7});
  EXPECT_EQ(text.answer[0].data,
            "\"127.0.0.1 " + std::to_string(local_endpoint(who.descriptor()).port) + " udp 7\"");
  // The first that happens decides; the rest acts together.
  EXPECT_EQ(message("noaa.servfail.nxdomain.x.fault.test").rcode, 2);
  EXPECT_EQ(message("tcpclose.x.fault.test").rcode, 0);
}

TEST_F(Target, Edns) {
  start();
  EXPECT_EQ(message("noedns.x.fault.test").rcode, 0);
  const Message formerr = message("noedns.x.fault.test", "A", true);
  EXPECT_EQ(formerr.rcode, 1);
  EXPECT_FALSE(formerr.edns);
  EXPECT_FALSE(message("noopt.x.fault.test", "A", true).edns);
  EXPECT_EQ(message("badvers.x.fault.test", "A", true).rcode, 16);
  EXPECT_EQ(message("badvers.x.fault.test").rcode, 0);
  EXPECT_EQ(message("edns-servfail.x.fault.test").rcode, 0);
  EXPECT_EQ(message("edns-servfail.x.fault.test", "A", true).rcode, 2);
}

TEST_F(Target, Truncation) {
  start();
  const Message tc = message("tc.x.fault.test");
  EXPECT_TRUE(tc.has(kFlagTC));
  EXPECT_TRUE(tc.answer.empty());
  const Message some = message("a5.tc2.x.fault.test");
  EXPECT_TRUE(some.has(kFlagTC));
  EXPECT_EQ(some.answer.size(), 2u);
  EXPECT_FALSE(ask_tcp(endpoint(), {.name = "tc.x.fault.test"}).has(kFlagTC));
  EXPECT_TRUE(ask_tcp(endpoint(), {.name = "tcall.x.fault.test"}).has(kFlagTC));
}

TEST_F(Target, OctetsThatAreWrong) {
  start();
  const Octets right = answered("x.x.fault.test");
  EXPECT_EQ(u16(answered("badid.x.fault.test"), 0), 0x1234 ^ 0xFFFF);
  const Octets other = answered("badq.x.fault.test");
  EXPECT_EQ(std::string(other.begin() + 13, other.begin() + 17), "xadq");
  const Octets other_case = answered("BadCase.x.fault.test");
  EXPECT_EQ(std::string(other_case.begin() + 13, other_case.begin() + 20), "bADcASE");
  EXPECT_EQ(std::string(other_case.begin() + 23, other_case.begin() + 28), "FAULT");
  EXPECT_EQ(answered("qr0.x.fault.test")[2] & 0x80, 0);
  EXPECT_EQ(u16(answered("counts.x.fault.test"), 6), 2);
  Octets trail = answered("trail9.x.fault.test");
  EXPECT_EQ(Octets(trail.end() - 9, trail.end()), Octets(9, 0));
  trail.resize(trail.size() - 9);
  EXPECT_EQ(decode(trail).answer.size(), 1u);
  EXPECT_EQ(answered("cut20.x.fault.test").size(), 20u);
  EXPECT_EQ(answered("cut0.x.fault.test").size(), 0u);
  EXPECT_EQ(answered("cut60000.x.fault.test").size(), right.size() + 7);
  const Octets loop = answered("ptrloop.x.fault.test");
  const std::size_t owner = 12 + 22 + 4;  // behind the question
  EXPECT_EQ(u16(loop, owner), 0xC000 | owner);
  EXPECT_EQ(u16(loop, owner + 2), 1);
  const Octets length = answered("rdlen.nodata.x.fault.test");  // of the SOA
  EXPECT_GT(u16(length, 12 + 27 + 4 + 10), length.size());
}

TEST_F(Target, SeveralDatagrams) {
  start();
  UdpClient client(endpoint());
  client.send(encode({.name = "dup3.x.fault.test", .id = 9}));
  const auto first = client.receive(Deadline::after(kAnswerTimeout));
  EXPECT_EQ(client.receive(Deadline::after(kAnswerTimeout)), first);
  EXPECT_EQ(client.receive(Deadline::after(kAnswerTimeout)), first);
  EXPECT_EQ(client.receive(Deadline::exactly(kSilence)), std::nullopt);

  client.send(encode({.name = "spoof.x.fault.test", .id = 10}));
  const auto wrong = client.receive(Deadline::after(kAnswerTimeout));
  const auto right = client.receive(Deadline::after(kAnswerTimeout));
  ASSERT_TRUE(wrong && right);
  EXPECT_EQ(decode(*wrong).answer.at(0).data, "192.0.2.66");
  EXPECT_NE(u16(*wrong, 0), 10);
  EXPECT_EQ(u16(*right, 0), 10);
  client.send(encode({.name = "spoof.x.fault.test", .type = "AAAA", .id = 11}));
  EXPECT_EQ(decode(*client.receive(Deadline::after(kAnswerTimeout))).answer.at(0).data,
            "2001:db8::bad");
  (void)client.receive(Deadline::after(kAnswerTimeout));
  // With OPT in the right one alone, which makes it longer.
  client.send(encode({.name = "spoof.y.fault.test", .edns = Edns{}, .id = 12}));
  const auto fake = client.receive(Deadline::after(kAnswerTimeout));
  const auto real = client.receive(Deadline::after(kAnswerTimeout));
  ASSERT_TRUE(fake && real);
  EXPECT_NE(u16(*fake, 0), 12);
  EXPECT_EQ(u16(*real, 0), 12);
}

TEST_F(Target, AnotherPort) {
  start();
  // A connected socket hears only the port that it asked.
  EXPECT_EQ(raw("badport.x.fault.test"), std::nullopt);
  const FileDescriptor open = bound_socket({"127.0.0.1", 0}, SOCK_DGRAM);
  const Octets query = encode({.name = "badport.x.fault.test", .id = 3});
  sockaddr_storage to{};
  const socklen_t size = endpoint().fill(to);
  ASSERT_GT(::sendto(open.get(), query.data(), query.size(), 0,
                     reinterpret_cast<const sockaddr*>(&to), size),
            0);
  ASSERT_TRUE(wait_for(open.get(), POLLIN, Deadline::after(kAnswerTimeout)));
  sockaddr_storage from{};
  socklen_t from_size = sizeof from;
  Octets answer(512);
  const ssize_t received = ::recvfrom(open.get(), answer.data(), answer.size(), 0,
                                      reinterpret_cast<sockaddr*>(&from), &from_size);
  ASSERT_GT(received, 12);
  EXPECT_EQ(u16(answer, 0), 3);
  EXPECT_EQ(Endpoint::from_sockaddr(from).address, endpoint().address);
  EXPECT_NE(Endpoint::from_sockaddr(from).port, endpoint().port);
}

TEST_F(Target, Delays) {
  start();
  for (const char* const label :
       {"d200", "d100.d100", "d200-300", "dn200-0", "dp200", "udp-d200"}) {
    const auto began = steady_clock::now();
    (void)message(std::string(label) + ".x.fault.test");
    EXPECT_GE(steady_clock::now() - began, milliseconds(200)) << label;
  }
  // A late answer holds up no other.
  TcpClient client(endpoint());
  client.send(encode({.name = "d400.x.fault.test", .id = 1}));
  client.send(encode({.name = "x.fault.test", .id = 2}));
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 2);
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 1);
}

TEST_F(Target, Hold) {
  start();
  UdpClient client(endpoint());
  client.send(encode({.name = "hold.x.fault.test", .id = 1}));
  EXPECT_EQ(client.receive(Deadline::exactly(milliseconds(100))), std::nullopt);
  client.send(encode({.name = "x.fault.test", .id = 2}));
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 2);
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 1);
  // Nobody comes: a second.
  const auto began = steady_clock::now();
  client.send(encode({.name = "hold.x.fault.test", .id = 3}));
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 3);
  EXPECT_GE(steady_clock::now() - began, milliseconds(990));
  // Two of them: the second goes at once, and lets the first go.
  client.send(encode({.name = "hold.x.fault.test", .id = 4}));
  client.send(encode({.name = "hold.x.fault.test", .id = 5}));
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 5);
  EXPECT_EQ(u16(*client.receive(Deadline::after(kAnswerTimeout)), 0), 4);
}

// All octets until the server closes, or until so many have come.
Octets read_all(const TcpClient& client, std::size_t most = SIZE_MAX) {
  Octets all;
  while (all.size() < most &&
         wait_for(client.descriptor(), POLLIN, Deadline::after(kAnswerTimeout))) {
    std::uint8_t octets[4096];
    const ssize_t n =
        ::read(client.descriptor(), octets, std::min(sizeof octets, most - all.size()));
    if (n <= 0) break;
    all.insert(all.end(), octets, octets + n);
  }
  return all;
}

TEST_F(Target, Tcp) {
  start();
  const auto ask_by = [&](const std::string& label) {
    TcpClient client(endpoint());
    client.send(encode({.name = label + ".x.fault.test", .id = 5}));
    return client;
  };
  EXPECT_TRUE(read_all(ask_by("tcpclose")).empty());
  EXPECT_EQ(read_all(ask_by("tcpcut0")).size(), 2u);
  const Octets cut = read_all(ask_by("tcpcut20"));
  EXPECT_EQ(cut.size(), 22u);
  EXPECT_EQ(u16(cut, 0), 12 + 23 + 4 + 16);
  const TcpClient longer = ask_by("tcplen7");
  const Octets wrong = read_all(longer, 2 + 12 + 22 + 4 + 16);
  EXPECT_EQ(u16(wrong, 0), 12 + 22 + 4 + 16 + 7);
  const auto began = steady_clock::now();
  TcpClient slow = ask_by("tcpslow5");
  EXPECT_EQ(decode(*slow.receive(Deadline::after(kAnswerTimeout))).answer.size(), 1u);
  EXPECT_GE(steady_clock::now() - began, milliseconds(5 * 50));
  // The connection goes on.
  slow.send(encode({.name = "x.fault.test", .id = 6}));
  EXPECT_EQ(u16(*slow.receive(Deadline::after(kAnswerTimeout)), 0), 6);
  TcpClient stalled = ask_by("tcpstall");
  stalled.send(encode({.name = "x.fault.test", .id = 6}));
  EXPECT_FALSE(wait_for(stalled.descriptor(), POLLIN, Deadline::exactly(kSilence)));
  // The prefix is that of the octets that are sent.
  TcpClient trail = ask_by("trail9");
  EXPECT_EQ(trail.receive(Deadline::after(kAnswerTimeout))->size(), 12u + 21 + 4 + 16 + 9);
  EXPECT_EQ(ask_tcp(endpoint(), {.name = "udp-servfail.x.fault.test"}).rcode, 0);
  EXPECT_EQ(ask_tcp(endpoint(), {.name = "tcp-servfail.x.fault.test"}).rcode, 2);
}

TEST_F(Target, ModifiersCountForClientNameAndType) {
  start();
  const auto rcodes = [&](const std::string& name, int queries, const std::string& type = "A") {
    std::string all;
    for (int i = 0; i < queries; ++i) all += std::to_string(message(name, type).rcode);
    return all;
  };
  EXPECT_EQ(rcodes("f2-servfail.x.fault.test", 4), "2200");
  EXPECT_EQ(rcodes("F2-servfail.x.fault.test", 2), "00");  // the same name
  EXPECT_EQ(rcodes("f2-servfail.x.fault.test", 3, "AAAA"), "220");
  EXPECT_EQ(rcodes("e3.www.servfail.x.fault.test", 7), "0020020");
  EXPECT_EQ(rcodes("aaaa-servfail.x.fault.test", 1), "0");
  EXPECT_EQ(rcodes("aaaa-servfail.x.fault.test", 1, "AAAA"), "2");
  EXPECT_EQ(rcodes("p0-servfail.x.fault.test", 20), std::string(20, '0'));
  EXPECT_EQ(rcodes("p100-servfail.x.fault.test", 20), std::string(20, '2'));
  // TCP counts, too.
  EXPECT_EQ(rcodes("f1-servfail.y.fault.test", 1), "2");
  EXPECT_EQ(ask_tcp(endpoint(), {.name = "f1-servfail.y.fault.test"}).rcode, 0);
}

TEST_F(Target, TheSameSeedGivesTheSameTwiceAndWithTwoWorkers) {
  std::set<std::string> all;
  for (const unsigned workers : {1U, 1U, 2U}) {
    start({}, workers);
    std::string rcodes;
    for (int i = 0; i < 60; ++i) {
      rcodes += std::to_string(message("p50-servfail.x.fault.test").rcode);
    }
    all.insert(rcodes);
    EXPECT_NE(rcodes.find('0'), std::string::npos);
    EXPECT_NE(rcodes.find('2'), std::string::npos);
    stop();
  }
  EXPECT_EQ(all.size(), 1u);
}

TEST_F(Target, Rules) {
  start(
      "    rule gone {\n      name gone.bench.test\n      do nxdomain\n    }\n"
      "    rule below {\n      name *.below.bench.test\n      type AAAA\n      do servfail\n    }\n"
      "    rule pattern {\n      name ~^p[0-9]+\\.\n      do noaa\n      continue\n    }\n"
      "    rule ttl {\n      name p1.bench.test\n      do ttl3\n    }\n"
      "    rule few {\n      name few.bench.test\n      first 1\n      do drop\n    }\n"
      "    rule third {\n      name third.bench.test\n      every 3\n      do refused\n    }\n"
      "    rule tcp {\n      name by.bench.test\n      transport tcp\n      do servfail\n    }\n"
      "    rule edns {\n      name edns.bench.test\n      edns yes\n      do formerr\n    }\n"
      "    rule never {\n      name never.bench.test\n      probability 0\n      do drop\n    }\n"
      "    rule later {\n      name later.bench.test\n      between 1h 2h\n      do drop\n    }\n"
      "    rule strange {\n      client 127.9.0.0/16\n      do drop\n    }\n"
      "    rule made {\n      name www.nowhere.example\n      do a2\n    }\n"
      "    rule empty {\n      name empty.nowhere.example\n      do nodata\n    }\n");
  EXPECT_TRUE(server_->wait_for_output("this server answers wrong on purpose"));
  const Message gone = message("gone.bench.test");
  EXPECT_EQ(gone.rcode, 3);
  EXPECT_EQ(gone.authority.size(), 1u);
  EXPECT_EQ(message("x.below.bench.test", "AAAA").rcode, 2);
  EXPECT_EQ(message("x.below.bench.test").rcode, 0);
  EXPECT_EQ(message("below.bench.test", "AAAA").rcode, 0);
  const Message pattern = message("p1.bench.test");
  EXPECT_FALSE(pattern.has(kFlagAA));
  EXPECT_EQ(pattern.answer.at(0).ttl, 3u);
  EXPECT_EQ(raw("few.bench.test"), std::nullopt);
  EXPECT_EQ(message("few.bench.test").rcode, 0);
  EXPECT_EQ(message("third.bench.test").rcode, 0);
  EXPECT_EQ(message("third.bench.test").rcode, 0);
  EXPECT_EQ(message("third.bench.test").rcode, 5);
  EXPECT_EQ(message("by.bench.test").rcode, 0);
  EXPECT_EQ(ask_tcp(endpoint(), {.name = "by.bench.test"}).rcode, 2);
  EXPECT_EQ(message("edns.bench.test", "A", true).rcode, 1);
  EXPECT_EQ(message("edns.bench.test").rcode, 0);
  EXPECT_EQ(message("never.bench.test").rcode, 0);
  EXPECT_EQ(message("later.bench.test").rcode, 0);
  EXPECT_EQ(message("x.nowhere.example").rcode, 5);
  EXPECT_EQ(message("www.nowhere.example").answer.size(), 2u);
  const Message empty = message("empty.nowhere.example");
  EXPECT_EQ(empty.rcode, 0);
  EXPECT_EQ(empty.authority.at(0).owner, "nowhere.example.");
  // Names of the zones never see them.
  UdpClient strange(endpoint(), "127.9.0.1");
  strange.send(encode({.name = "x.bench.test", .id = 1}));
  EXPECT_EQ(strange.receive(Deadline::exactly(kSilence)), std::nullopt);
  strange.send(encode({.name = "x.fault.test", .id = 2}));
  EXPECT_EQ(u16(*strange.receive(Deadline::after(kAnswerTimeout)), 0), 2);
}

// Faults are for answers that leave: what is asked on behalf of a question only becomes a part of
// one.
TEST_F(Target, QuestionsOfTheServerItselfAreLeftAlone) {
  const auto hosts = directory_.write("hosts", "192.0.2.1 h.ex\n");
  const auto zone = directory_.write(
      "db.zone",
      "$TTL 60\n@ SOA ns h 1 2h 1h 2w 5m\n@ NS ns.else.\nlate CNAME d5.x.fault.test.\n"
      "odd CNAME badid-dup3-hold.x.fault.test.\nfail CNAME servfail.x.fault.test.\n");
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  fault fault.test {\n    rule r {\n      name h.ex\n"
      "      do d5 badcase\n    }\n  }\n  dns64 {\n    allow_ipv4\n  }\n"
      "  template IN A t {\n    answer \"{{ .Name }} 60 IN CNAME h.ex.\"\n  }\n  file " +
      zone.string() + " zone\n  hosts " + hosts.string() + " {\n    fallthrough\n  }\n}\n");
  EXPECT_EQ(data_of(ask("a.t").answer, "A"), std::vector<std::string>{"192.0.2.1"});
  EXPECT_EQ(ask("late.zone").answer.size(), 2U);
  EXPECT_EQ(ask("odd.zone").answer.size(), 2U);
  EXPECT_EQ(ask("fail.zone").rcode, 2);
  // dns64 asks for the addresses of h.ex itself; the answer to the client is late and odd.
  const Octets query = encode(Query{.name = "h.ex.", .type = "AAAA"});
  UdpClient client(endpoint());
  client.send(query);
  const auto answer = client.receive(Deadline::after(kAnswerTimeout));
  ASSERT_TRUE(answer);
  EXPECT_EQ(decode(*answer).answer.size(), 1U);
  stop();
}

TEST_F(Target, BadConfigurationsAreTold) {
  const auto refused = [&](const std::string& corefile) {
    directory_.write("Corefile", corefile);
    ProcessOptions options;
    options.arguments = {"check", (directory_.path() / "Corefile").string()};
    const RunResult check = run(options);
    EXPECT_EQ(check.exit_code, 1) << corefile;
    return check.standard_output + check.standard_error;
  };
  EXPECT_NE(refused(". {\n  synthetic x.test\n  fault x.test\n}\n").find("Corefile:3:9"),
            std::string::npos);
  EXPECT_NE(refused(". {\n  fault x.test {\n    rule r {\n      do d99999\n    }\n  }\n}\n")
                .find("Corefile:4:10"),
            std::string::npos);
  EXPECT_NE(refused(". {\n  fault x.test {\n    rule r {\n      colour red\n    }\n  }\n}\n")
                .find("Corefile:4:7"),
            std::string::npos);
  directory_.write("bad.yaml", "rules:\n  - {rule: r, name: *.x, do: drop}\n");
  const std::string alias = refused(". {\n  fault x.test {\n    scenario " +
                                    (directory_.path() / "bad.yaml").string() + "\n  }\n}\n");
  EXPECT_NE(alias.find("bad.yaml:2:"), std::string::npos) << alias;
  EXPECT_NE(alias.find("in quotes"), std::string::npos) << alias;
}

TEST_F(Target, ScenariosBeginWithTheConfiguration) {
  directory_.write("outage.yaml",
                   "rules:\n  - {rule: r, name: \"*.up.bench.test\", do: servfail}\n"
                   "timeline:\n  - {at 0s: outage 6s, name: down.bench.test}\n"
                   "expect:\n  - client answers within 3s in 50 %\n");
  start("    scenario " + (directory_.path() / "outage.yaml").string() + "\n");
  EXPECT_EQ(message("x.up.bench.test").rcode, 2);
  EXPECT_EQ(raw("down.bench.test"), std::nullopt);
  EXPECT_EQ(message("x.bench.test").rcode, 0);
  EXPECT_EQ(message("y.bench.test").rcode, 0);
  EXPECT_EQ(message("z.bench.test").rcode, 0);
  EXPECT_TRUE(
      server_->wait_for_output("scenario outage ends; client answers within 3s in 50 %: pass"))
      << server_->output();
  EXPECT_EQ(message("x.up.bench.test").rcode, 0);
  EXPECT_EQ(message("down.bench.test").rcode, 0);
}

TEST_F(Target, WithoutManifests) {
  ProcessOptions options;
  options.arguments = {"serve", "--target", "--no-console", "--listen", "127.0.0.1:0"};
  ServerProcess server(options);
  EXPECT_EQ(test::ask_udp(server.endpoint(), {.name = "x1.bench.test"}).answer.size(), 1u);
  EXPECT_EQ(test::ask_udp(server.endpoint(), {.name = "servfail.x1.fault.test"}).rcode, 2);
  for (const char* const listen : {"0.0.0.0:0", ":0", "192.0.2.1:0"}) {
    options.arguments = {"serve", "--target", "--no-console", "--listen", listen};
    EXPECT_EQ(run(options).exit_code, 2);
  }
}

TEST_F(Target, HealthSaysThatAnswersAreWrong) {
  const auto health = [&](const std::string& more, const std::string& query) {
    serve_corefile(".:0 {\n  bind 127.0.0.1\n  health 127.0.0.1:0\n" + more + "}\n");
    EXPECT_TRUE(server_->wait_for_output("/health on "));
    const std::string output = server_->output();
    const std::size_t at = output.find("/health on ") + 11;
    const auto endpoint = Endpoint::from_text(output.substr(at, output.find('\n', at) - at));
    const std::string body = http_get(endpoint, "/health" + query).body;
    stop();
    return body;
  };
  const std::string told = health("  fault fault.test\n", "?verbose");
  EXPECT_TRUE(told.starts_with("OK\n")) << told;
  EXPECT_NE(told.find("fault"), std::string::npos) << told;
  EXPECT_EQ(health("  fault fault.test\n", ""), "OK");
  EXPECT_EQ(health("  whoami\n", "?verbose"), "OK");
}

TEST_F(Target, MetricsAndLog) {
  const std::filesystem::path log = directory_.path() / "evidence.json";
  serve_corefile(
      ".:0 {\n  bind 127.0.0.1\n  prometheus 127.0.0.1:0\n  fault fault.test\n  evidence {\n"
      "    log " +
      log.string() + "\n  }\n}\n");
  EXPECT_EQ(message("d1-servfail.x.fault.test").rcode, 2);
  EXPECT_EQ(raw("drop.x.fault.test"), std::nullopt);
  ASSERT_TRUE(server_->wait_for_output("/metrics on "));
  const std::string output = server_->output();
  const std::size_t at = output.find("/metrics on ") + 12;
  const auto metrics = parse_metrics(
      http_get(Endpoint::from_text(output.substr(at, output.find('\n', at) - at)), "/metrics")
          .body);
  EXPECT_EQ(metrics.at("clusterdns_fault_enabled"), 1);
  EXPECT_EQ(metrics.at("clusterdns_fault_injected_total{action=\"servfail\",rule=\"\"}"), 1);
  EXPECT_EQ(metrics.at("clusterdns_fault_injected_total{action=\"d\",rule=\"\"}"), 1);
  stop();
  std::ifstream file(log);
  std::string first, second;
  std::getline(file, first);
  std::getline(file, second);
  EXPECT_NE(first.find("\"outcome\":\"SERVFAIL\""), std::string::npos) << first;
  EXPECT_NE(first.find("\"faults\":[\"d1\",\"servfail\"]"), std::string::npos) << first;
  EXPECT_NE(second.find("\"outcome\":\"dropped\""), std::string::npos) << second;
}

}  // namespace
}  // namespace clusterdns::test
