// Edits of manifests while the server runs.
#include <algorithm>

#include "integration/fixture.h"

namespace clusterdns::test {
namespace {

using std::chrono::milliseconds;

// What the product promises: an edit is answered within this time.
constexpr milliseconds kVisible{100};

class LiveManifests : public Integration {
 protected:
  bool answers(const std::string& service, const std::string& address) {
    return addresses(service + ".default.svc.cluster.local.") == std::vector<std::string>{address};
  }
  bool gone(const std::string& service) {
    return ask(service + ".default.svc.cluster.local.").rcode == 3;
  }
};

TEST_F(LiveManifests, NewFile) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  serve();
  EXPECT_TRUE(answers("a", "10.96.1.1"));
  EXPECT_TRUE(gone("b"));
  manifests_.write("b.yaml", service_yaml("b", "10.96.1.2"));
  EXPECT_TRUE(until([&] { return answers("b", "10.96.1.2"); })) << server_->output();
  EXPECT_TRUE(answers("a", "10.96.1.1"));
}

TEST_F(LiveManifests, WrittenInPlace) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  serve();
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.9"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.9"); })) << server_->output();
}

TEST_F(LiveManifests, RenamedOver) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  serve();
  for (int i = 2; i < 8; ++i) {
    const std::string address = "10.96.1." + std::to_string(i);
    manifests_.replace("a.yaml", service_yaml("a", address));
    EXPECT_TRUE(until([&] { return answers("a", address); })) << server_->output();
  }
}

TEST_F(LiveManifests, DeletedFile) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  manifests_.write("b.yaml", service_yaml("b", "10.96.1.2"));
  serve();
  std::filesystem::remove(manifests_ / "a.yaml");
  EXPECT_TRUE(until([&] { return gone("a"); })) << server_->output();
  EXPECT_TRUE(answers("b", "10.96.1.2"));
  // And its reverse name with it.
  EXPECT_EQ(ask("1.1.96.10.in-addr.arpa.", "PTR").rcode, 3);
}

TEST_F(LiveManifests, RenamedAway) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  serve();
  std::filesystem::rename(manifests_ / "a.yaml", directory_ / "a.yaml");
  EXPECT_TRUE(until([&] { return gone("a"); })) << server_->output();
}

TEST_F(LiveManifests, NewFolderWithFiles) {
  serve();
  manifests_.write("deep/er/a.yaml", service_yaml("a", "10.96.1.1"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.1"); })) << server_->output();
  manifests_.write("deep/er/a.yaml", service_yaml("a", "10.96.1.2"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.2"); })) << server_->output();
  std::filesystem::remove_all(manifests_ / "deep");
  EXPECT_TRUE(until([&] { return gone("a"); })) << server_->output();
}

TEST_F(LiveManifests, FolderMovedIn) {
  serve();
  TempDir elsewhere;
  elsewhere.write("folder/a.yaml", service_yaml("a", "10.96.1.1"));
  std::filesystem::rename(elsewhere / "folder", manifests_ / "folder");
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.1"); })) << server_->output();
}

// A ConfigMap volume: files are links into `..data`, itself a link that kubelet swaps.
TEST_F(LiveManifests, DataLinkOfAConfigMapIsSwapped) {
  manifests_.write("..2026_01/a.yaml", service_yaml("a", "10.96.1.1"));
  std::filesystem::create_directory_symlink("..2026_01", manifests_ / "..data");
  std::filesystem::create_symlink("..data/a.yaml", manifests_ / "a.yaml");
  serve();
  EXPECT_TRUE(answers("a", "10.96.1.1")) << server_->output();
  for (int i = 2; i < 5; ++i) {
    const std::string folder = "..2026_0" + std::to_string(i);
    const std::string address = "10.96.1." + std::to_string(i);
    manifests_.write(folder + "/a.yaml", service_yaml("a", address));
    std::filesystem::create_directory_symlink(folder, manifests_ / "..data_tmp");
    std::filesystem::rename(manifests_ / "..data_tmp", manifests_ / "..data");
    std::filesystem::remove_all(manifests_ / ("..2026_0" + std::to_string(i - 1)));
    EXPECT_TRUE(until([&] { return answers("a", address); })) << server_->output();
  }
}

TEST_F(LiveManifests, SingleFileAsSource) {
  const auto file = directory_.write("one.yaml", service_yaml("a", "10.96.1.1"));
  serve({"--manifests", file.string()});
  EXPECT_TRUE(answers("a", "10.96.1.1"));
  directory_.replace("one.yaml", service_yaml("a", "10.96.1.2"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.2"); })) << server_->output();
  directory_.replace("one.yaml", service_yaml("a", "10.96.1.3"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.3"); })) << server_->output();
}

// Half of several edits, so that one late wake-up of a busy machine does not decide.
TEST_F(LiveManifests, WithinAHundredMilliseconds) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  serve();
  std::vector<milliseconds> taken;
  for (int i = 2; i < 11; ++i) {
    const std::string address = "10.96.1." + std::to_string(i);
    manifests_.replace("a.yaml", service_yaml("a", address));
    const auto time = until([&] { return answers("a", address); });
    ASSERT_TRUE(time.has_value()) << server_->output();
    taken.push_back(*time);
  }
  std::sort(taken.begin(), taken.end());
  EXPECT_LE(taken[taken.size() / 2], kVisible * kBuildFactor * patience());
}

TEST_F(LiveManifests, UnreadableManifestKeepsTheLastGoodObjects) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  manifests_.write("b.yaml", service_yaml("b", "10.96.1.2"));
  serve();
  manifests_.replace("a.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: a\n");
  ASSERT_TRUE(server_->wait_for_output("a.yaml:")) << server_->output();
  EXPECT_TRUE(answers("a", "10.96.1.1"));
  EXPECT_TRUE(answers("b", "10.96.1.2"));
  // file:line:column
  const std::string output = server_->output();
  const std::size_t at = output.find("a.yaml:") + std::string("a.yaml:").size();
  int line = 0;
  int column = 0;
  EXPECT_EQ(std::sscanf(output.c_str() + at, "%d:%d:", &line, &column), 2) << output;
  // Other files still change, and the repaired one too.
  manifests_.replace("b.yaml", service_yaml("b", "10.96.1.22"));
  EXPECT_TRUE(until([&] { return answers("b", "10.96.1.22"); })) << server_->output();
  manifests_.replace("a.yaml", service_yaml("a", "10.96.1.11"));
  EXPECT_TRUE(until([&] { return answers("a", "10.96.1.11"); })) << server_->output();
}

TEST_F(LiveManifests, InvalidObjectKeepsTheLastGoodOne) {
  manifests_.write("a.yaml", service_yaml("a", "10.96.1.1"));
  serve();
  manifests_.replace("a.yaml", service_yaml("a", "10.96.1.999"));
  ASSERT_TRUE(server_->wait_for_output("a.yaml:")) << server_->output();
  EXPECT_TRUE(answers("a", "10.96.1.1"));
}

TEST_F(LiveManifests, UnknownKindsAndFieldsDoNotMatter) {
  manifests_.write("a.yaml",
                   "apiVersion: networking.istio.io/v1\nkind: Gateway\nmetadata: {name: g}\n"
                   "spec: {servers: [{hosts: ['*.example.com']}]}\n---\n"
                   "apiVersion: example.com/v9\nkind: Unheard\nmetadata: {name: x}\n---\n" +
                       service_yaml("a", "10.96.1.1") + "  futureField: {x: [1, 2]}\n");
  serve();
  EXPECT_TRUE(answers("a", "10.96.1.1")) << server_->output();
}

// What was allocated stays when other objects come and go.
TEST_F(LiveManifests, AllocatedAddressesStay) {
  const std::string text =
      "apiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec: {ports: [{port: 80}]}\n";
  const auto named = [&](const std::string& name) {
    std::string copy = text;
    return copy.replace(copy.find("NAME"), 4, name);
  };
  manifests_.write("m.yaml", named("m"));
  serve();
  const auto before = addresses("m.default.svc.cluster.local.");
  ASSERT_EQ(before.size(), 1U) << server_->output();
  for (const char* name : {"a", "z", "b"}) {
    manifests_.write(std::string(name) + ".yaml", named(name));
    ASSERT_TRUE(until([&] {
      return addresses(std::string(name) + ".default.svc.cluster.local.").size() == 1;
    })) << server_->output();
    EXPECT_EQ(addresses("m.default.svc.cluster.local."), before);
  }
  std::filesystem::remove(manifests_ / "a.yaml");
  ASSERT_TRUE(until([&] { return gone("a"); }));
  EXPECT_EQ(addresses("m.default.svc.cluster.local."), before);
}

// A reader sees all of a change or none of it.
TEST_F(LiveManifests, AChangeIsSeenWhole) {
  const std::vector<std::string> first{"10.244.9.1", "10.244.9.2", "10.244.9.3"};
  const std::vector<std::string> second{"10.244.9.4", "10.244.9.5"};
  manifests_.write("h.yaml", headless_yaml("h", first));
  serve();
  bool on_second = false;
  for (int round = 0; round < 6; ++round) {
    const auto& next = on_second ? first : second;
    const auto& now = on_second ? second : first;
    manifests_.replace("h.yaml", headless_yaml("h", next));
    const auto switched = until([&] {
      auto seen = addresses("h.default.svc.cluster.local.");
      std::sort(seen.begin(), seen.end());
      EXPECT_TRUE(seen == now || seen == next) << ::testing::PrintToString(seen);
      return seen == next;
    });
    ASSERT_TRUE(switched.has_value()) << server_->output();
    on_second = !on_second;
  }
}

}  // namespace
}  // namespace clusterdns::test
