#include "app/setup/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "tests/unit/app/setup/system_tree.h"

namespace clusterdns::app {
namespace {

using Kind = TreeEntry::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TreeEntry file(const std::string& text, mode_t mode = 0644) {
  TreeEntry entry;
  entry.kind = Kind::File;
  entry.mode = mode;
  entry.uid = ::geteuid();
  entry.gid = ::getegid();
  entry.text = text;
  return entry;
}

std::string error_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const std::exception& e) {
    return e.what();
  }
  return "no error";
}

TEST(TreeTest, ReadsFilesLinksAndFolders) {
  SystemTree system;
  system.write("/etc/hosts", "127.0.0.1 localhost\n", 0640);
  system.link("/etc/resolv.conf", "../run/stub.conf");
  system.write("/run/stub.conf", "nameserver 127.0.0.53\n");
  const Tree tree(system.path());
  EXPECT_FALSE(tree.is_machine());
  const TreeEntry hosts = tree.look("/etc/hosts");
  EXPECT_EQ(hosts.kind, Kind::File);
  EXPECT_EQ(hosts.mode, 0640u);
  EXPECT_EQ(hosts.text, "127.0.0.1 localhost\n");
  EXPECT_EQ(tree.look("/etc/resolv.conf").kind, Kind::Link);
  EXPECT_EQ(tree.look("/etc/resolv.conf").text, "../run/stub.conf");
  EXPECT_EQ(tree.look("/etc/resolv.conf", Tree::Links::Follow).text, "nameserver 127.0.0.53\n");
  EXPECT_EQ(tree.look("/etc").kind, Kind::Folder);
  EXPECT_EQ(tree.look("/etc/nothing").kind, Kind::None);
  EXPECT_EQ(tree.look("/no/such/folder").kind, Kind::None);
  EXPECT_THAT(tree.list("/etc"), ElementsAre("hosts", "resolv.conf"));
  EXPECT_TRUE(tree.list("/nothing").empty());
}

TEST(TreeTest, TheMachinesRootIsKnownByAnyName) {
  EXPECT_TRUE(Tree("/").is_machine());
  EXPECT_TRUE(Tree("/etc/..").is_machine());
  EXPECT_EQ(Tree("/").shown("/etc/hosts"), "/etc/hosts");
}

// chroot(2): the root is its own parent, and where absolute links begin.
TEST(TreeTest, NothingLeadsOutside) {
  SystemTree outside;
  outside.write("/secret", "outside");
  SystemTree system;
  system.write("/secret", "inside");
  system.link("/absolute", "/secret");
  system.link("/up", "../../../../../../secret");
  system.link("/folder", outside.path());
  system.folder("/etc");
  system.link("/etc/through", "/../etc/../secret");
  const Tree tree(system.path());
  for (const char* const path :
       {"/absolute", "/up", "/etc/through", "/../secret", "/etc/../secret"}) {
    EXPECT_EQ(tree.look(path, Tree::Links::Follow).text, "inside") << path;
  }
  // It leads to a folder that is not in the tree.
  EXPECT_EQ(tree.look("/folder/secret").kind, Kind::None);
  EXPECT_THROW(tree.put("/folder/new", file("x")), std::system_error);
  EXPECT_FALSE(outside.there("/new"));
  tree.put("/absolute", file("written"));
  EXPECT_EQ(outside.read("/secret"), "outside");
  EXPECT_EQ(system.read("/secret"), "inside") << "the link is replaced, not what it leads to";
  EXPECT_EQ(system.read("/absolute"), "written");
}

TEST(TreeTest, FoldersBehindLinksAreThoseOfTheTree) {
  SystemTree system;
  system.folder("/real/conf");
  system.link("/etc", "/real");
  const Tree tree(system.path());
  tree.put("/etc/conf/file", file("text"));
  EXPECT_EQ(system.read("/real/conf/file"), "text");
}

TEST(TreeTest, LinksInACircleEnd) {
  SystemTree system;
  system.link("/one", "/two");
  system.link("/two", "/one");
  const Tree tree(system.path());
  EXPECT_THAT(error_of([&] { (void)tree.look("/one", Tree::Links::Follow); }), HasSubstr("/one"));
  EXPECT_EQ(tree.look("/one").kind, Kind::Link);
}

// Opening a pipe waits for who writes into it, and a device may do anything.
TEST(TreeTest, WhatIsNoFileIsNotRead) {
  SystemTree system;
  ASSERT_EQ(::mkfifo(system.at("/pipe").c_str(), 0600), 0);
  EXPECT_EQ(Tree(system.path()).look("/pipe").kind, Kind::Other);
}

TEST(TreeTest, WhatIsTooLargeIsNoConfiguration) {
  SystemTree system;
  system.write("/large", std::string(kMostTreeFile + 1, 'x'));
  system.write("/fits", std::string(kMostTreeFile, 'x'));
  const Tree tree(system.path());
  EXPECT_THAT(error_of([&] { (void)tree.look("/large"); }), HasSubstr("larger than 1 MiB"));
  EXPECT_EQ(tree.look("/fits").text.size(), kMostTreeFile);
}

TEST(TreeTest, AFileIsReplacedWithItsMode) {
  SystemTree system;
  system.write("/file", "before");
  const Tree tree(system.path());
  tree.put("/file", file("after", 0600));
  EXPECT_EQ(tree.look("/file").text, "after");
  EXPECT_EQ(tree.look("/file").mode, 0600u);
  TreeEntry link;
  link.kind = Kind::Link;
  link.uid = ::geteuid();
  link.gid = ::getegid();
  link.text = "../elsewhere";
  tree.put("/file", link);
  EXPECT_EQ(tree.look("/file").text, "../elsewhere");
  EXPECT_THAT(tree.list("/"), ElementsAre("file"));
}

// Somebody may have put a link where the new file will stand beside the old one.
TEST(TreeTest, WhatIsWrittenBesideIsNeverFollowed) {
  SystemTree system;
  system.write("/victim", "untouched");
  system.write("/file", "before");
  system.link("/.file.clusterdns-new", "/victim");
  const Tree tree(system.path());
  tree.put("/file", file("after"));
  EXPECT_EQ(system.read("/victim"), "untouched");
  EXPECT_EQ(system.read("/file"), "after");
}

TEST(TreeTest, FoldersAreReadableWhateverTheUmaskIs) {
  SystemTree system;
  const Tree tree(system.path());
  const mode_t before = ::umask(077);
  EXPECT_TRUE(tree.make_folder("/made"));
  ::umask(before);
  EXPECT_EQ(tree.look("/made").mode, 0755u);
  EXPECT_FALSE(tree.make_folder("/made"));
  tree.put("/made/file", file("x"));
  EXPECT_FALSE(tree.remove_folder("/made")) << "it is not empty";
  tree.remove("/made/file");
  tree.remove("/made/file");
  EXPECT_TRUE(tree.remove_folder("/made"));
  EXPECT_FALSE(tree.remove_folder("/made"));
}

TEST(TreeTest, ErrorsNameTheFile) {
  SystemTree system;
  const Tree tree(system.path());
  EXPECT_THAT(error_of([&] { tree.put("/none/file", file("x")); }),
              HasSubstr(system.path() + "/none/file"));
  EXPECT_THAT(error_of([&] { (void)Tree(system.path() + "/none"); }), HasSubstr("/none"));
}

}  // namespace
}  // namespace clusterdns::app
