// Certificates, keys and authorities that directives name, and that change.
#include "app/directives/tls_files.h"

#include <gmock/gmock.h>

#include <chrono>

#include "app/corefile/parser.h"
#include "app/instance/instance.h"
#include "app/log/logging.h"
#include "tests/unit/app/folder.h"
#include "tests/unit/registry/kubernetes/scripted_api.h"

namespace clusterdns::app {
namespace {

using registry::kubernetes::testing::Identity;
using registry::kubernetes::testing::make_identity;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Identity fresh() { return make_identity(-1, 30); }

std::vector<std::string> problems_of(const std::string& text, CheckPlace place = CheckPlace::Here) {
  Problems problems;
  const Corefile corefile = parse_corefile(text, "f", {}, problems);
  if (corefile.whole) check_corefile(corefile, 53, place, problems);
  std::vector<std::string> texts;
  for (const Problem& problem : problems.sorted()) {
    texts.push_back(to_string(problem) + (problem.is_error() ? "" : " (warning)"));
  }
  return texts;
}

class TlsFilesTest : public ::testing::Test {
 protected:
  void write(const Identity& identity) {
    folder_.write("cert", identity.certificate);
    folder_.write("key", identity.key);
  }
  TlsFiles files() {
    return TlsFiles(words_, folder_ / "", {}, "tls", &dns::TlsContext::for_client,
                    make_silent_logger());
  }
  bool run_until(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (!done()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      io_.restart();
      io_.run_one_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  const Folder folder_;
  boost::asio::io_context io_;
  std::vector<Token> words_{{"cert", {}}, {"key", {}}, {"ca", {}}};
};

TEST_F(TlsFilesTest, ChangesAreFollowedAndBadOnesLeaveWhatWasThere) {
  const Identity first = fresh(), second = fresh();
  write(first);
  folder_.write("ca", first.certificate);
  TlsFiles files = this->files();
  const auto contexts = std::make_shared<dns::TlsContexts>(files.load());
  files.keep_current(contexts);
  const auto failed = [&files] {
    Exposition out;
    files.metrics()(out);
    const std::string text = out.text();
    const std::string series = "clusterdns_tls_reload_failed_total{plugin=\"tls\"} ";
    return std::stoi(text.substr(text.find(series) + series.size()));
  };
  files.start(io_);
  const auto chain = [&] { return contexts->now()->settings().identity.chain; };
  EXPECT_EQ(chain(), first.certificate);
  const auto same = contexts->now();
  write(second);
  ASSERT_TRUE(run_until([&] { return chain() == second.certificate; }));
  EXPECT_NE(contexts->now(), same);
  const int before = failed();  // half of the pair may have been seen
  folder_.write("key", "nonsense");
  ASSERT_TRUE(run_until([&] { return failed() > before; }));
  EXPECT_EQ(chain(), second.certificate);
  write(first);
  ASSERT_TRUE(run_until([&] { return chain() == first.certificate; }));
}

TEST_F(TlsFilesTest, WhatCannotBeReadIsToldAtItsWord) {
  const Identity identity = fresh();
  write(identity);
  folder_.write("ca", "");
  const auto said = [&]() -> std::string {
    try {
      (void)files().load();
    } catch (const ConfigError& e) {
      return folder_.strip(e.message());
    }
    return "nothing";
  };
  EXPECT_EQ(said(), "'DIR/ca' is empty");
  folder_.write("ca", "nonsense");
  EXPECT_EQ(said(), "the certificate authorities cannot be read; they must be in PEM");
  folder_.write("ca", identity.certificate);
  EXPECT_EQ(said(), "nothing");
  folder_.write("key", fresh().key);
  EXPECT_THAT(said(), HasSubstr("the key cannot be read, or is not the certificate's"));
  words_.erase(words_.begin(), words_.begin() + 2);
  EXPECT_EQ(said(), "nothing");
  words_[0].text = "none";
  EXPECT_THAT(said(), HasSubstr("'DIR/none' "));
}

TEST_F(TlsFilesTest, OfUpstreams) {
  const Identity identity = fresh();
  write(identity);
  folder_.write("ca", identity.certificate);
  const auto forward = [&](const std::string& to, const std::string& options) {
    return problems_of(".:0 {\nroot " + (folder_ / "") + "\nforward . " + to + " {\n" + options +
                       "\n}\n}\n");
  };
  EXPECT_THAT(forward("tls://192.0.2.1", "tls ca"), IsEmpty());
  EXPECT_THAT(forward("tls://192.0.2.1 192.0.2.2", "tls cert key ca\ntls_servername dns.test"),
              IsEmpty());
  EXPECT_THAT(forward("tls://192.0.2.1", "tls none"),
              ElementsAre(HasSubstr("f:4:5: forward: tls: '")));
  EXPECT_THAT(forward("tls://192.0.2.1", "tls key"),
              ElementsAre(HasSubstr("f:4:1: forward: tls: the certificate authorities ")));
  // What protects nothing is not passed over.
  EXPECT_THAT(forward("192.0.2.1", "tls ca\ntls_servername dns.test"),
              ElementsAre("f:4:1: forward: tls: is without effect, since no upstream is asked over "
                          "TLS; write tls:// before its address, as in tls://192.0.2.1 (warning)"));
  EXPECT_THAT(problems_of(".:0 {\nforward . tls://192.0.2.1 {\ntls /none/ca\n}\n}\n",
                          CheckPlace::Elsewhere),
              IsEmpty());
  EXPECT_THAT(forward("192.0.2.1 2001:db8::1", "source_address 192.0.2.7"),
              ElementsAre(HasSubstr("[2001:db8::1]:53 cannot be asked from the `source_address`")));
  EXPECT_THAT(forward("dns.test tls://dns.test", "resolver 192.0.2.1 [2001:db8::1]:5353\ntls ca"),
              IsEmpty());
}

}  // namespace
}  // namespace clusterdns::app
