#include "app/setup/changes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "tests/unit/app/setup/system_tree.h"

namespace clusterdns::app {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

const HostPort kServer{registry::IpAddress{{127, 0, 0, 1}}, 53};

bool nothing_runs(const CommandWords& words) {
  ADD_FAILURE() << words.front() << " would have been run";
  return false;
}

// What ends a program between two steps, of which no handler of errors hears.
struct Crash {};

// A file that is replaced, one that is replaced where a link was, and new ones in new folders.
class Container : public SystemTree {
 public:
  Container() {
    write("/etc/hosts", "127.0.0.1 localhost\n");
    write("/run/made.conf", "nameserver 192.0.2.1\n");
    link("/etc/resolv.conf", "../run/made.conf");
    write("/etc/resolver/cluster.local", "# mine\n", 0600);
    folder("/var/lib");
  }
};

class TestTree : public Tree {
 public:
  explicit TestTree(const std::string& root) : Tree(root) { durable = false; }
};

SetupPlan plan_for(const TreeView& view, const std::string& more = "") {
  SetupPlan plan = make_plan(Backend::ResolvConf, kServer, {{"cluster.local"}}, view);
  plan.files.push_back({"/etc/resolver/cluster.local", "port 53\n" + more});
  plan.files.push_back({"/etc/new/folder/file", "new\n"});
  plan.files.push_back({"/etc/new/link", "folder/file", true});
  return plan;
}

void set_up(const Tree& tree, const std::string& more = "") {
  apply_plan(tree, plan_for(TreeView(tree), more), nothing_runs);
}

void unset(const Tree& tree) {
  if (auto record = load_record(tree)) {
    EXPECT_TRUE(undo(tree, *record, nothing_runs).empty());
  } else {
    remove_rest_of_record(tree);
  }
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(SetupChanges, DoneAndUndone) {
  const Container system;
  const Snapshot before = system.snapshot();
  const Tree tree(system.path());
  set_up(tree);
  EXPECT_THAT(system.read("/etc/resolv.conf"), HasSubstr("nameserver 127.0.0.1\nnameserver 192."));
  EXPECT_EQ(system.read("/run/made.conf"), "nameserver 192.0.2.1\n");
  EXPECT_EQ(system.read("/etc/new/link"), "new\n");
  EXPECT_EQ(tree.look("/etc/resolver/cluster.local").mode, 0600u);
  EXPECT_EQ(tree.look("/etc/new/folder/file").mode, 0644u);
  const auto record = load_record(tree);
  ASSERT_TRUE(record);
  EXPECT_EQ(record->state, SetupRecord::State::Done);
  EXPECT_EQ(record->domains, std::vector<std::string>{"cluster.local"});
  unset(tree);
  EXPECT_EQ(system.snapshot(), before);
}

TEST(SetupChanges, TheSamePlanIsKnown) {
  const Container system;
  const TestTree tree(system.path());
  set_up(tree);
  const auto record = load_record(tree);
  ASSERT_TRUE(record);
  const TreeBefore view(tree, &*record);
  EXPECT_TRUE(is_as_planned(tree, *record, plan_for(view)));
  EXPECT_FALSE(is_as_planned(tree, *record, plan_for(view, "changed")));
  // Without what was before, the nameserver would be added once more.
  EXPECT_FALSE(is_as_planned(tree, *record, plan_for(TreeView(tree))));
  system.write("/etc/new/folder/file", "somebody's");
  EXPECT_FALSE(is_as_planned(tree, *record, plan_for(view)));
}

TEST(SetupChanges, WhateverStepIsTheLast) {
  for (int last = 0;; ++last) {
    SCOPED_TRACE(last);
    const Container system;
    const Snapshot before = system.snapshot();
    TestTree tree(system.path());
    int step = 0;
    tree.before_change = [&](std::string_view) {
      if (step++ == last) throw Crash{};
    };
    bool crashed = false;
    try {
      set_up(tree);
    } catch (const Crash&) {
      crashed = true;
    }
    tree.before_change = nullptr;
    if (!crashed) {
      EXPECT_GT(last, 20);
      break;
    }
    // Either way: undone, or done by another setup and then undone.
    if (last % 2 == 0) {
      if (const auto record = load_record(tree)) (void)undo(tree, *record, nothing_runs);
      set_up(tree);
    }
    unset(tree);
    EXPECT_EQ(system.snapshot(), before);
  }
}

TEST(SetupChanges, WhateverStepOfUndoingIsTheLast) {
  for (int last = 0;; ++last) {
    SCOPED_TRACE(last);
    const Container system;
    const Snapshot before = system.snapshot();
    TestTree tree(system.path());
    set_up(tree);
    int step = 0;
    tree.before_change = [&](std::string_view) {
      if (step++ == last) throw Crash{};
    };
    bool crashed = false;
    try {
      unset(tree);
    } catch (const Crash&) {
      crashed = true;
    }
    tree.before_change = nullptr;
    unset(tree);
    EXPECT_EQ(system.snapshot(), before);
    if (!crashed) {
      EXPECT_GT(last, 20);
      break;
    }
  }
}

TEST(SetupChanges, AnErrorUndoesWhatWasDone) {
  for (int failing = 0;; ++failing) {
    SCOPED_TRACE(failing);
    const Container system;
    const Snapshot before = system.snapshot();
    TestTree tree(system.path());
    int step = 0;
    tree.before_change = [&](std::string_view) {
      if (step++ == failing) throw std::system_error(ENOSPC, std::generic_category(), "disk");
    };
    const std::string error = error_of([&] { set_up(tree); });
    tree.before_change = nullptr;
    if (error == "no error") break;
    EXPECT_THAT(error, AllOf(HasSubstr("disk"), HasSubstr("nothing is changed")));
    EXPECT_EQ(system.snapshot(), before);
  }
}

TEST(SetupChanges, WhatSomebodyChangedSinceStays) {
  const Container system;
  const Snapshot before = system.snapshot();
  const TestTree tree(system.path());
  set_up(tree);
  system.write("/etc/resolver/cluster.local", "edited\n", 0600);
  const std::string error = error_of([&] { unset(tree); });
  EXPECT_THAT(error, AllOf(HasSubstr(system.at("/etc/resolver/cluster.local")),
                           HasSubstr(system.at("/var/lib/clusterdns/setup/1-before"))));
  EXPECT_EQ(system.read("/etc/resolver/cluster.local"), "edited\n");
  EXPECT_EQ(system.read("/var/lib/clusterdns/setup/1-before"), "# mine\n");
  EXPECT_EQ(tree.look("/etc/resolv.conf").text, "../run/made.conf") << "the others are as before";
  EXPECT_FALSE(system.there("/etc/new"));
  EXPECT_THAT(error_of([&] { unset(tree); }), HasSubstr("was changed since"));
  // An empty file is somebody's, too.
  system.write("/etc/resolver/cluster.local", "", 0600);
  EXPECT_THAT(error_of([&] { unset(tree); }), HasSubstr("was changed since"));
  // As the message says: put it back.
  system.write("/etc/resolver/cluster.local", "# mine\n", 0600);
  unset(tree);
  EXPECT_EQ(system.snapshot(), before);
}

TEST(SetupChanges, WhoRemovesTheSavedFileKeepsTheirs) {
  const Container system;
  const TestTree tree(system.path());
  set_up(tree);
  system.write("/etc/resolver/cluster.local", "edited\n", 0600);
  system.write("/etc/new/folder/file", "edited\n");
  EXPECT_THAT(error_of([&] { unset(tree); }),
              AllOf(HasSubstr("/setup/1-before"), HasSubstr("/setup/2-after")));
  tree.remove("/var/lib/clusterdns/setup/1-before");
  tree.remove("/var/lib/clusterdns/setup/2-after");
  unset(tree);
  EXPECT_EQ(system.read("/etc/resolver/cluster.local"), "edited\n");
  EXPECT_EQ(system.read("/etc/new/folder/file"), "edited\n");
  EXPECT_FALSE(system.there("/var/lib/clusterdns"));
}

TEST(SetupChanges, AFileThatIsRemovedIsNotMadeAgain) {
  const Container system;
  const TestTree tree(system.path());
  set_up(tree);
  tree.remove("/etc/resolver/cluster.local");
  EXPECT_THAT(error_of([&] { unset(tree); }), HasSubstr("was changed since"));
  EXPECT_FALSE(system.there("/etc/resolver/cluster.local"));
}

// A file that is written over may be found half-written.
TEST(SetupChanges, ABeginningIsNobodysChangeWhileFilesAreWritten) {
  const Container system;
  const Snapshot before = system.snapshot();
  TestTree tree(system.path());
  tree.before_change = [&](std::string_view what) {
    if (what == "beside /etc/new/folder/file") throw Crash{};
  };
  EXPECT_THROW(set_up(tree), Crash);
  tree.before_change = nullptr;
  system.write("/etc/resolver/cluster.local", "por", 0600);
  unset(tree);
  EXPECT_EQ(system.snapshot(), before);
}

TEST(SetupChanges, FoldersWithFilesOfOthersStay) {
  const Container system;
  const TestTree tree(system.path());
  set_up(tree);
  system.write("/etc/new/other", "x");
  unset(tree);
  EXPECT_TRUE(system.there("/etc/new/other"));
  EXPECT_FALSE(system.there("/etc/new/folder"));
}

TEST(SetupChanges, ARecordThatOthersMayWriteIsNotBelieved) {
  const Container system;
  const TestTree tree(system.path());
  set_up(tree);
  for (const char* const file : {"record.json", "0-after"}) {
    const std::string path = system.at("/var/lib/clusterdns/setup/") + file;
    ASSERT_EQ(::chmod(path.c_str(), 0666), 0);
    EXPECT_THAT(error_of([&] { (void)load_record(tree); }), HasSubstr("not believed"));
    ASSERT_EQ(::chmod(path.c_str(), 0600), 0);
  }
}

TEST(SetupChanges, ARecordNamesFilesOfSetupOnly) {
  const Container system;
  const TestTree tree(system.path());
  set_up(tree);
  const std::string record = system.read("/var/lib/clusterdns/setup/record.json");
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string text = record;
    const std::size_t at = text.find(from);
    EXPECT_NE(at, std::string::npos) << from;
    return text.replace(at, from.size(), to);
  };
  for (const std::string& text :
       {with("/etc/resolver/cluster.local", "/bin/sh"),
        with("/etc/resolver/cluster.local", "/etc/../bin/sh"),
        with("/var/lib/clusterdns/setup/0-before", "/etc/shadow-x"), with("\"version\"", "\"v\""),
        with("resolv.conf\"", "other\""), std::string("{"), std::string("[]"), std::string(),
        std::string(10000, '[')}) {
    system.write("/var/lib/clusterdns/setup/record.json", text);
    EXPECT_THAT(error_of([&] { (void)load_record(tree); }), HasSubstr("record.json")) << text;
  }
}

TEST(SetupChanges, TwoAtOnceDoNotMeet) {
  const Container system;
  TestTree tree(system.path());
  // Another one has made its folder in the meantime.
  tree.before_change = [&](std::string_view what) {
    if (what == "make /var/lib/clusterdns/setup") system.folder("/var/lib/clusterdns/setup");
  };
  EXPECT_THAT(error_of([&] { set_up(tree); }), HasSubstr("another setup is under way"));
  EXPECT_TRUE(system.there("/var/lib/clusterdns/setup"));
  EXPECT_EQ(tree.look("/etc/resolv.conf").text, "../run/made.conf");
}

TEST(SetupChanges, AFolderInTheWay) {
  const Container system;
  system.folder("/etc/new/folder/file");
  const Snapshot before = system.snapshot();
  const TestTree tree(system.path());
  EXPECT_THAT(error_of([&] { set_up(tree); }), HasSubstr("it is not a file"));
  EXPECT_EQ(system.snapshot(), before);
}

}  // namespace
}  // namespace clusterdns::app
