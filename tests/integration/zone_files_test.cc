// file, auto, secondary and transfer, in the program.
#include <atomic>
#include <thread>

#include "integration/fixture.h"
#include "support/scripted_upstream.h"

namespace clusterdns::test {
namespace {

const std::string kHead =
    "$TTL 60\n@ IN SOA ns1 host 1 7200 3600 1209600 300\n@ NS ns1\nns1 A 192.0.2.1\n";

class ZoneFiles : public Integration {
 protected:
  void serve_zone(const std::string& text, const std::string& options = "") {
    directory_.write("zone", kHead + text);
    serve_corefile("example.:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                   " {\n" + options + "  }\n  whoami\n}\n");
  }
  bool answers(const std::string& name, const std::vector<std::string>& wanted) {
    return addresses(name) == wanted;
  }
};

TEST_F(ZoneFiles, AnswersAndIsFollowed) {
  serve_zone("a A 192.0.2.10\n");
  EXPECT_TRUE(answers("a.example.", {"192.0.2.10"}));
  // Written in place, the serial unchanged.
  directory_.write("zone", kHead + "a A 192.0.2.11\n");
  EXPECT_TRUE(until([&] { return answers("a.example.", {"192.0.2.11"}); }));
  EXPECT_TRUE(server_->wait_for_output("plugin/file: Successfully reloaded zone \"example.\" in"));
  // Renamed over.
  directory_.replace("zone", kHead + "a A 192.0.2.12\nb A 192.0.2.13\n");
  EXPECT_TRUE(until([&] { return answers("b.example.", {"192.0.2.13"}); }));
  EXPECT_TRUE(answers("a.example.", {"192.0.2.12"}));
}

TEST_F(ZoneFiles, TheLastGoodZoneStays) {
  serve_zone("a A 192.0.2.10\n");
  directory_.write("zone", kHead + "a A 192.0.2.11\nb A nonsense\n");
  EXPECT_TRUE(
      server_->wait_for_output("zone:6:1: A 'nonsense': its data cannot be read; still serving "
                               "what it held"));
  EXPECT_TRUE(answers("a.example.", {"192.0.2.10"}));
  std::filesystem::remove(directory_ / "zone");
  EXPECT_TRUE(server_->wait_for_output("No such file or directory; still serving what it held"));
  EXPECT_TRUE(answers("a.example.", {"192.0.2.10"}));
  directory_.write("zone", kHead + "a A 192.0.2.12\n");
  EXPECT_TRUE(until([&] { return answers("a.example.", {"192.0.2.12"}); }));
}

TEST_F(ZoneFiles, IncludedFilesAreFollowed) {
  directory_.write("more", "b A 192.0.2.20\n");
  serve_zone("$INCLUDE more sub\n");
  EXPECT_TRUE(answers("b.sub.example.", {"192.0.2.20"}));
  directory_.replace("more", "b A 192.0.2.21\n");
  EXPECT_TRUE(until([&] { return answers("b.sub.example.", {"192.0.2.21"}); }));
}

TEST_F(ZoneFiles, RootIsWhereRelativePathsBegin) {
  directory_.write("zone", kHead + "a A 192.0.2.10\n");
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  root " + directory_.path().string() +
                 "\n  file zone\n}\n");
  EXPECT_TRUE(answers("a.example.", {"192.0.2.10"}));
}

TEST_F(ZoneFiles, ABrokenFileStopsAStart) {
  directory_.write("zone", "a A 192.0.2.1\n");
  directory_.write("Corefile", "example.:0 {\n  bind 127.0.0.1\n  file " +
                                   (directory_ / "zone").string() + "\n}\n");
  const RunResult result = run({.arguments = {"-conf", (directory_ / "Corefile").string()}});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.standard_error.find("zone:1:1: file: there is no TTL"), std::string::npos)
      << result.standard_error;
}

TEST_F(ZoneFiles, AFileThatComesLater) {
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 "\n}\n");
  expect_rcode(ask("a.example."), "SERVFAIL");
  EXPECT_TRUE(server_->wait_for_output("the zone is SERVFAIL until it can be read"));
  directory_.write("zone", kHead + "a A 192.0.2.10\n");
  EXPECT_TRUE(until([&] { return answers("a.example.", {"192.0.2.10"}); }));
}

TEST_F(ZoneFiles, AFileForSeveralZones) {
  directory_.write("zone", kHead + "a A 192.0.2.10\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 " example.org example.net {\n    fallthrough example.net\n  }\n  whoami\n}\n");
  EXPECT_TRUE(answers("a.example.org.", {"192.0.2.10"}));
  EXPECT_TRUE(answers("a.example.net.", {"192.0.2.10"}));
  expect_rcode(ask("x.example.org."), "NXDOMAIN");
  EXPECT_EQ(ask("x.example.net.").additional.size(), 2U);  // whoami's
}

TEST_F(ZoneFiles, AliasesOutOfTheZoneAreForwarded) {
  ScriptedUpstream upstream(
      [](const ScriptedUpstream::Exchange& exchange) -> std::optional<Octets> {
        return reply_to(exchange.query, {.answers = 1,
                                         .records = a_record(exchange.query.questions[0].name,
                                                             "203.0.113.5", 300)});
      });
  directory_.write("zone", kHead + "a CNAME www.far.test.\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 " example\n  forward . " + upstream.endpoint().text() + "\n}\n");
  const Message response = ask("a.example.");
  ASSERT_EQ(response.answer.size(), 2U) << response.text();
  EXPECT_EQ(response.answer[0].text(), "a.example. 60 IN CNAME www.far.test.");
  EXPECT_EQ(response.answer[1].type, 1U);
}

// Queries go on while a large zone is read, and none of them sees half of it.
TEST_F(ZoneFiles, ReadingALargeZoneHoldsUpNobody) {
  serve_zone("a A 192.0.2.10\n");
  directory_.replace("zone", kHead + "$GENERATE 1-200000 h$ A 10.0.0.1\na A 192.0.2.11\n");
  std::size_t asked = 0;
  EXPECT_TRUE(until(
      [&] {
        ++asked;
        const auto now = addresses("a.example.");
        EXPECT_EQ(now.size(), 1U);
        return now == std::vector<std::string>{"192.0.2.11"};
      },
      std::chrono::minutes(3)));
  EXPECT_GT(asked, 3U);
  EXPECT_TRUE(answers("h200000.example.", {"10.0.0.1"}));
}

// A reload of the Corefile reads no zone again that has not changed, and keeps one that is broken
// now.
TEST_F(ZoneFiles, ReloadsKeepZones) {
  directory_.write("zone", kHead + "a A 192.0.2.10\n");
  const auto corefile = [&](const std::string& more) {
    return "example.:0 {\n  bind 127.0.0.1\n  reload 2s 1s\n  file " +
           (directory_ / "zone").string() + " {\n    reload 0\n  }\n" + more + "}\n";
  };
  serve_corefile(corefile(""));
  directory_.write("zone", "broken\n");
  directory_.write("Corefile", corefile("  log\n"));
  server_->signal(SIGUSR1);
  EXPECT_TRUE(server_->wait_for_output("still serving what it held"));
  EXPECT_TRUE(until([&] { return answers("a.example.", {"192.0.2.10"}); }));
}

TEST_F(ZoneFiles, OfSeveralFilesTheLongestZoneAnswers) {
  directory_.write("zone", kHead + "a.sub A 192.0.2.10\nb CNAME a.sub\n");
  directory_.write("sub", kHead + "a A 192.0.2.11\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 " example\n  file " + (directory_ / "sub").string() + " sub.example\n}\n");
  EXPECT_TRUE(answers("a.sub.example.", {"192.0.2.11"}));
  EXPECT_EQ(data_of(ask("b.example.").answer, "A"), std::vector<std::string>{"192.0.2.11"});
}

TEST_F(ZoneFiles, AFolderOfZones) {
  std::filesystem::create_directory(directory_ / "zones");
  directory_.write("zones/db.example.org", kHead + "a A 192.0.2.10\n");
  serve_corefile(".:0 {\n  bind 127.0.0.1\n  auto {\n    directory " +
                 (directory_ / "zones").string() + "\n  }\n}\n");
  EXPECT_TRUE(answers("a.example.org.", {"192.0.2.10"}));
  expect_refused(ask("a.example.net."));
  directory_.write("zones/db.example.net", kHead + "a A 192.0.2.11\n");
  EXPECT_TRUE(until([&] { return answers("a.example.net.", {"192.0.2.11"}); }));
  directory_.write("zones/db.example.org", "broken\n");
  EXPECT_TRUE(server_->wait_for_output("still serving what it held"));
  EXPECT_TRUE(answers("a.example.org.", {"192.0.2.10"}));
  std::filesystem::remove(directory_ / "zones/db.example.org");
  EXPECT_TRUE(until([&] { return ask("a.example.org.").rcode == 5; }));
}

// Messages of a reply to an AXFR, up to the second SOA.
std::vector<Message> transfer(const Endpoint& server, const std::string& zone) {
  TcpClient client(server);
  Query query;
  query.name = zone;
  query.type = "AXFR";
  client.send(encode(query));
  std::vector<Message> messages;
  std::size_t soas = 0;
  while (soas < 2) {
    const auto octets = client.receive(Deadline::after(kAnswerTimeout));
    if (!octets) break;
    messages.push_back(decode(*octets));
    soas += data_of(messages.back().answer, "SOA").size();
    if (messages.back().answer.empty()) break;
  }
  return messages;
}

TEST_F(ZoneFiles, Transfers) {
  directory_.write("zone", kHead + "$GENERATE 1-20000 h$ A 10.0.0.1\n");
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  cache 30\n  file " +
                 (directory_ / "zone").string() + "\n  transfer {\n    to *\n  }\n}\n");
  const auto messages = transfer(endpoint(), "example.");
  ASSERT_GT(messages.size(), 10U);
  std::size_t records = 0;
  for (const Message& message : messages) records += message.answer.size();
  EXPECT_EQ(records, 20004U);
  // Not the cache's bound.
  EXPECT_EQ(messages.front().answer.front().ttl, 60U);
  EXPECT_TRUE(server_->wait_for_output(
      "plugin/transfer: Outgoing transfer of 20004 records of zone \"example.\" to 127.0.0.1"));
}

TEST_F(ZoneFiles, TransfersAreForThoseWhoAreNamed) {
  directory_.write("zone", kHead);
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 "\n  transfer {\n    to 192.0.2.1\n  }\n}\n");
  const auto messages = transfer(endpoint(), "example.");
  ASSERT_EQ(messages.size(), 1U);
  expect_rcode(messages.front(), "REFUSED");
}

// A secondary is told at the start, again while it says nothing, and of each change.
TEST_F(ZoneFiles, SecondariesAreToldOfChanges) {
  std::atomic<unsigned> told{0};
  ScriptedUpstream secondary(
      [&](const ScriptedUpstream::Exchange& exchange) -> std::optional<Octets> {
        EXPECT_EQ(exchange.query.flags & 0x7800, 4 << 11);  // NOTIFY
        EXPECT_EQ(exchange.query.questions.at(0).name, "example.");
        if (++told == 1) return std::nullopt;
        return reply_to(exchange.query, {.flags = 4 << 11});
      });
  directory_.write("zone", kHead);
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 "\n  transfer {\n    to " + secondary.endpoint().text() + "\n  }\n}\n");
  EXPECT_TRUE(until([&] { return told == 2; }));
  directory_.write("zone", kHead + "a A 192.0.2.10\n");
  EXPECT_TRUE(until([&] { return told == 3; }));
}

// A zone of another server: fetched, and again when its primary says that it has changed.
TEST_F(ZoneFiles, ASecondaryFollowsItsPrimary) {
  directory_.write("zone", kHead + "a A 192.0.2.10\n");
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  file " + (directory_ / "zone").string() +
                 "\n  transfer {\n    to *\n  }\n}\n");
  // Nobody listens at the first.
  const auto path = directory_.write(
      "Corefile.secondary",
      "example.:0 {\n  bind 127.0.0.1\n  secondary {\n    transfer from 127.0.0.9:1\n"
      "    transfer from " +
          endpoint().text() + "\n  }\n  transfer {\n    to *\n  }\n}\n");
  ServerProcess secondary(ProcessOptions{.arguments = {"-conf", path.string()}});
  secondary.wait_until_listening();
  const auto address = [&](const std::string& name) {
    return data_of(test::ask(secondary.endpoint(), Query{.name = name}).answer, "A");
  };
  using Addresses = std::vector<std::string>;
  EXPECT_TRUE(until([&] { return address("a.example.") == Addresses{"192.0.2.10"}; }))
      << secondary.output();
  std::size_t records = 0;
  for (const Message& message : transfer(secondary.endpoint(), "example.")) {
    records += message.answer.size();
  }
  EXPECT_EQ(records, 5U);
  std::string newer = kHead + "a A 192.0.2.11\n";
  newer.replace(newer.find(" 1 7200"), 7, " 2 7200");
  directory_.write("zone", newer);
  EXPECT_TRUE(server_->wait_for_output("with 2 SOA serial"));
  // RFC 1996 3.6: only its primaries are listened to.
  const auto notify = [&](const std::string& from) {
    return UdpClient(secondary.endpoint(), from)
        .exchange(Query{.name = "example.", .type = "SOA", .flags = 4 << 11 | 0x400});
  };
  expect_rcode(notify("127.0.0.77"), "REFUSED");
  EXPECT_EQ(address("a.example."), Addresses{"192.0.2.10"});
  const Message reply = notify("127.0.0.1");
  expect_rcode(reply, "NOERROR");
  EXPECT_EQ(reply.flags & 0x7800, 4 << 11);
  EXPECT_TRUE(until([&] { return address("a.example.") == Addresses{"192.0.2.11"}; }))
      << secondary.output() << server_->output();
  EXPECT_EQ(secondary.stop(), 0);
}

// What its primary refuses just then, for too many transfers say, is not left until the SOA's
// retry.
TEST_F(ZoneFiles, ASecondaryThatWasToldAsksAgainSoon) {
  std::atomic<std::uint32_t> serial{1};
  std::atomic<unsigned> refuses{0}, refused{0};
  ScriptedUpstream primary([&](const ScriptedUpstream::Exchange& exchange) {
    const std::uint32_t now = serial;
    WireWriter rdata, records;
    rdata.name("ns1.example.").name("host.example.");
    for (const std::uint32_t number : {now, 7200U, 3600U, 1209600U, 300U}) rdata.u32(number);
    records.record("example.", "SOA", 60, rdata.out);
    if (type_to_text(exchange.query.questions.at(0).type) == "SOA") {
      return reply_to(exchange.query, {.answers = 1, .records = records.out});
    }
    if (refuses != 0) {
      --refuses;
      ++refused;
      return reply_to(exchange.query, {.rcode = 5});
    }
    records.record("example.", "NS", 60, name_octets("ns1.example."));
    records.raw(a_record("a.example.", "192.0.2." + std::to_string(now)));
    records.record("example.", "SOA", 60, rdata.out);
    return reply_to(exchange.query, {.answers = 4, .records = records.out});
  });
  serve_corefile("example.:0 {\n  bind 127.0.0.1\n  secondary {\n    transfer from " +
                 primary.endpoint().text() + "\n  }\n}\n");
  EXPECT_TRUE(until([&] { return answers("a.example.", {"192.0.2.1"}); })) << server_->output();
  refuses = 3;
  serial = 2;
  expect_rcode(UdpClient(endpoint(), "127.0.0.1")
                   .exchange(Query{.name = "example.", .type = "SOA", .flags = 4 << 11 | 0x400}),
               "NOERROR");
  EXPECT_TRUE(until([&] { return answers("a.example.", {"192.0.2.2"}); })) << server_->output();
  EXPECT_EQ(refused, 3U);
}

// RFC 8945: primary and secondary that know each other by a key, in both directions.
TEST_F(ZoneFiles, TransfersWithAKey) {
  const std::string key =
      "  tsig {\n    secret xfr. NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=\n";
  const auto secondary_of = [&](const std::string& file, const std::string& tsig,
                                const std::string& name) {
    const auto path = directory_.write(
        file, "example.:0 {\n  bind 127.0.0.1\n" + tsig + "  secondary {\n    transfer from " +
                  endpoint().text() + "\n    " + name + "\n  }\n}\n");
    return ProcessOptions{.arguments = {"-conf", path.string()}};
  };
  const std::string zone = kHead + "$GENERATE 1-5000 h$ A 10.0.0.1\n";
  directory_.write("zone", zone + "a A 192.0.2.10\n");
  const auto primary = [&](const std::string& to) {
    return "example.:0 {\n  bind 127.0.0.1\n  reload 2s 1s\n" + key +
           "    require AXFR IXFR\n  }\n  file " + (directory_ / "zone").string() +
           "\n  transfer {\n    key xfr.\n    to * " + to + "\n  }\n}\n";
  };
  serve_corefile(primary(""));
  ServerProcess secondary(
      secondary_of("Corefile.secondary", key + "    require SOA\n  }\n", "key XFR"));
  secondary.wait_until_listening();
  const auto address = [&](const std::string& name) {
    return data_of(test::ask(secondary.endpoint(), Query{.name = name}).answer, "A");
  };
  using Addresses = std::vector<std::string>;
  EXPECT_TRUE(until([&] { return address("a.example.") == Addresses{"192.0.2.10"}; }))
      << secondary.output();
  // A key that is there and not named, and another one.
  ServerProcess without(secondary_of("Corefile.without", key + "  }\n", ""));
  EXPECT_TRUE(without.wait_for_output("rcode was REFUSED")) << without.output();
  ServerProcess other(
      secondary_of("Corefile.other",
                   "  tsig {\n    secret other. NoTCJU+DMqFWywaPyxSijrDEA/eC3nK0xi3AMEZuPVk=\n"
                   "  }\n",
                   "key other."));
  EXPECT_TRUE(other.wait_for_output("it does not take the key \"other.\": BADKEY"))
      << other.output();
  EXPECT_EQ(without.stop(), 0);
  EXPECT_EQ(other.stop(), 0);
  // A NOTIFY that is not signed is refused; the primary's is, and is believed.
  expect_rcode(UdpClient(secondary.endpoint(), "127.0.0.1")
                   .exchange(Query{.name = "example.", .type = "SOA", .flags = 4 << 11 | 0x400}),
               "REFUSED");
  directory_.write("Corefile", primary(secondary.endpoint().text()));
  server_->signal(SIGUSR1);
  EXPECT_TRUE(server_->wait_for_output("Reloading complete"));
  std::string newer = zone + "a A 192.0.2.11\n";
  newer.replace(newer.find(" 1 7200"), 7, " 2 7200");
  directory_.write("zone", newer);
  EXPECT_TRUE(until([&] { return address("a.example.") == Addresses{"192.0.2.11"}; }))
      << secondary.output() << server_->output();
  EXPECT_EQ(server_->output().find("was not accepted"), std::string::npos) << server_->output();
  EXPECT_EQ(secondary.stop(), 0);
}

TEST_F(ZoneFiles, AZoneWithoutAPrimaryIsServfail) {
  serve_corefile(
      "example.:0 {\n  bind 127.0.0.1\n  secondary {\n    transfer from 127.0.0.9:1\n  }\n}\n");
  EXPECT_TRUE(
      server_->wait_for_output("plugin/secondary: All 'example.' masters failed to transfer"));
  expect_rcode(ask("a.example."), "SERVFAIL");
}

}  // namespace
}  // namespace clusterdns::test
