#include "registry/manifests/loaded_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <exception>
#include <iterator>
#include <map>
#include <string_view>
#include <system_error>
#include <tuple>
#include <utility>

namespace clusterdns::registry {
namespace {

// Coarser than the time stamps of any file system this runs on (ext4 and tmpfs: one timer tick).
constexpr std::int64_t kRacyNanoseconds = 100'000'000;

using Identity = std::pair<std::string, ObjectKey>;  // kind, key

Identity identity_of(const ManifestObject& object) {
  return {kind_of(object.body), key_of(object.body)};
}

std::string count_objects(std::size_t count) {
  return std::to_string(count) + (count == 1 ? " object" : " objects");
}

// Why a file cannot be used at all.
struct Unusable {
  std::string what;
};

// An open file, or standard input, which is not closed.
class Input {
 public:
  // Throws Unusable.
  explicit Input(const std::string& path) {
    if (path == kStandardInput) {
      static std::atomic<bool> has_been_read = false;
      if (has_been_read.exchange(true)) {
        throw Unusable{"standard input was already read; name it only once"};
      }
      fd_ = STDIN_FILENO;
      return;
    }
    // Whatever stands there since the folder was looked at: opening a FIFO must not wait.
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd_ < 0) throw Unusable{"cannot be read: " + std::generic_category().message(errno)};
    owned_ = true;
    struct stat status {};
    if (::fstat(fd_, &status) != 0 || !S_ISREG(status.st_mode)) {
      ::close(fd_);
      throw Unusable{"not a regular file"};
    }
  }
  ~Input() {
    if (owned_) ::close(fd_);
  }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;

  // Less than `size` at the end only.
  std::size_t read(char* to, std::size_t size) const {
    std::size_t got = 0;
    while (got < size) {
      const ssize_t n = ::read(fd_, to + got, size - got);
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) throw std::system_error(errno, std::generic_category());
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    return got;
  }

 private:
  int fd_ = -1;
  bool owned_ = false;
};

// The lines of a document by their number. Found once, when the first error wants one.
class Lines {
 public:
  void of(const Document& document) {
    document_ = &document;
    starts_.clear();
    looked_at_ = 0;
  }
  std::string_view at(std::uint32_t number) {
    const std::string_view text = document_->text;
    if (starts_.empty()) {
      for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
        starts_.push_back(static_cast<std::uint32_t>(at));
      }
    }
    if (number < document_->first_line || number - document_->first_line >= starts_.size()) {
      return {};
    }
    const std::size_t start = starts_[number - document_->first_line];
    return text.substr(start, text.find('\n', start) - start);
  }
  // Whether the line of that number is one of a template. The last one is remembered: all of a JSON
  // document may be one line, with an error in each object.
  bool is_template_at(std::uint32_t number) {
    if (number == 0 || number != looked_at_) {
      looked_at_ = number;
      looked_at_is_template_ = is_template(at(number));
    }
    return looked_at_is_template_;
  }
  // Of the lines just before `last`, and this one, the first that is one of a template; 0 if none
  // is.
  std::uint32_t find_template(std::uint32_t last) {
    // Parsers notice late; what is further away has nothing to do with it.
    constexpr std::uint32_t kNear = 10;
    std::uint32_t line = std::max(document_->first_line, last > kNear ? last - kNear : 1);
    for (; line <= last; ++line) {
      if (is_template_at(line)) return line;
    }
    return 0;
  }
  // As Helm, and many others, mark what they replace.
  static std::size_t template_column(std::string_view line) {
    return std::min(line.find("{{"), line.find("{%"));
  }

 private:
  static bool is_template(std::string_view line) {
    return template_column(line) != std::string_view::npos;
  }

  const Document* document_ = nullptr;
  std::vector<std::uint32_t> starts_;
  std::uint32_t looked_at_ = 0;
  bool looked_at_is_template_ = false;
};

class FileReader : private DocumentVisitor {
 public:
  FileReader(LoadedFile& file, const ReadOptions& options, std::vector<Problem>& problems)
      : file_(file), options_(options), problems_(problems) {}

  void run(std::vector<ManifestObject>& replaced) {
    try {
      const Input input(file_.path);
      read_documents(input);
    } catch (const Unusable& e) {
      unusable_ = {{}, e.what};
    }
    if (unusable_) return keep_all();
    finish(replaced);
  }

 private:
  // What has been found up to a point of the file.
  struct Count {
    std::size_t objects = 0, failed = 0, more_failed = 0, found = 0, more_found = 0, templates = 0;
    bool meant = false;
  };

  void read_documents(const Input& input) {
    DocumentReader reader([&input](char* to, std::size_t size) { return input.read(to, size); });
    const bool is_json = file_.path.ends_with(".json");
    Document document;
    while (reader.next(document)) {
      ++documents_;
      lines_.of(document);
      committed_ = count();
      const auto error = read_document(document, is_json, *this);
      if (!error) continue;
      begin_document();
      broken(*error);
    }
    if (reader.failure()) unusable_ = reader.failure();
  }

  // --- what a document gives ---

  Count count() const {
    return {objects_.size(), failed_.size(),    more_failed_, found_.size(),
            more_found_,     template_objects_, meant_};
  }

  void begin_document() override {
    objects_.erase(objects_.begin() + static_cast<std::ptrdiff_t>(committed_.objects),
                   objects_.end());
    failed_.resize(committed_.failed);
    more_failed_ = committed_.more_failed;
    found_.resize(committed_.found);
    more_found_ = committed_.more_found;
    template_objects_ = committed_.templates;
    if (template_objects_ == 0) template_mark_ = {};
    meant_ = committed_.meant;
  }

  void on_object(const YamlNode& node, const YamlNode* list) override {
    std::vector<ReadObject> all;
    try {
      all = read_objects(node, list, file_.path, options_);
    } catch (const std::exception& e) {
      // Nothing in an object is a reason to lose more than that object.
      ReadObject& lost = all.emplace_back();
      lost.errors.push_back({node.mark, std::string("cannot be read: ") + e.what()});
    }
    for (ReadObject& read : all) {
      meant_ = meant_ || !read.foreign;
      for (const YamlError& warning : read.warnings) {
        add(found(Problem::Severity::Warning, warning.mark, warning.what));
      }
      if (!read.errors.empty()) {
        take_failed(std::move(read));
      } else if (read.object && objects_.size() >= options_.max_objects) {
        if (!std::exchange(full_, true)) {
          add(found(Problem::Severity::Error, node.mark,
                    "more than " + std::to_string(options_.max_objects) +
                        " objects in one file; this one and all after it are left out"));
        }
      } else if (read.object) {
        objects_.push_back(std::move(*read.object));
      }
    }
  }

  void on_oddity(YamlError oddity) override {
    add(found(Problem::Severity::Warning, oddity.mark, std::move(oddity.what)));
  }

  void take_failed(ReadObject read) {
    for (const YamlError& error : read.errors) {
      if (!lines_.is_template_at(error.mark.line)) continue;
      note_template(error.mark.line, lines_.at(error.mark.line));
      read.errors.clear();  // one line about the file is enough
      break;
    }
    if (failed_.size() < kMaxFileProblems) {
      failed_.push_back(std::move(read));
    } else {
      ++more_failed_;
    }
  }

  void broken(const YamlError& error) {
    ReadObject lost;
    meant_ = true;
    if (const std::uint32_t line = lines_.find_template(error.mark.line); line != 0) {
      note_template(line, lines_.at(line));
    } else {
      lost.errors.push_back(error);
      lost.errors.back().what += tab_hint(error.mark);
      lost.document = true;
    }
    take_failed(std::move(lost));
  }

  void note_template(std::uint32_t number, std::string_view line) {
    if (template_objects_++ != 0) return;
    template_mark_ = {number, static_cast<std::uint32_t>(Lines::template_column(line)) + 1};
  }

  // The most frequent reason for an error that yaml-cpp words obscurely.
  std::string tab_hint(const YamlMark& mark) {
    const std::string_view line = lines_.at(mark.line);
    const std::string_view indent = line.substr(0, line.find_first_not_of(" \t"));
    return indent.find('\t') == std::string_view::npos
               ? ""
               : " (this line is indented with a tab; YAML wants spaces)";
  }

  // --- what becomes of it ---

  Problem found(Problem::Severity severity, const YamlMark& mark, std::string text) const {
    return {severity, file_.path, mark.line, mark.column, std::move(text)};
  }

  void add(Problem problem) {
    if (found_.size() < kMaxFileProblems) {
      found_.push_back(std::move(problem));
    } else {
      ++more_found_;
    }
  }

  // Nothing of the new text counts, not even what stands before the error.
  void keep_all() {
    const std::string kept = file_.objects.empty() ? "nothing of this file is served"
                                                   : "kept the last good version (" +
                                                         count_objects(file_.objects.size()) + ")";
    problems_.push_back(
        found(Problem::Severity::Error, unusable_->mark, unusable_->what + "; " + kept));
  }

  void finish(std::vector<ManifestObject>& replaced) {
    std::map<Identity, bool> good;  // failed objects that have a last good version: true
    for (const ReadObject& read : failed_) good[{read.kind, read.key}] = false;
    const bool unknown_failed =
        more_failed_ > 0 || std::any_of(failed_.begin(), failed_.end(),
                                        [](const auto& read) { return read.key.name.empty(); });
    std::map<Identity, bool> present;
    for (const ManifestObject& object : objects_) present[identity_of(object)] = true;
    std::size_t kept = 0;
    for (ManifestObject& old : file_.objects) {
      const Identity identity = identity_of(old);
      const auto failed = good.find(identity);
      // When a failed object's name is unknown, any object that is missing may be the one.
      if (!present.contains(identity) && (failed != good.end() || unknown_failed)) {
        if (failed != good.end()) failed->second = true;
        objects_.push_back(std::move(old));
        ++kept;
      } else {
        replaced.push_back(std::move(old));
      }
    }
    report_failed(good, kept);
    report();
    file_.objects = std::move(objects_);
    file_.objects.shrink_to_fit();
    file_.foreign = !meant_;
  }

  void report_failed(const std::map<Identity, bool>& kept_identities, std::size_t kept) {
    const std::string kept_text = "kept " + count_objects(kept) + " of the last good version";
    for (const ReadObject& read : failed_) {
      std::string outcome;
      if (read.key.name.empty()) {
        outcome = kept != 0          ? kept_text
                  : !read.document   ? "this object is left out"
                  : documents_ == 1U ? "nothing of this file is served"
                                     : "this document is left out";
      } else {
        const std::string object = describe(read.kind, read.key);
        outcome = kept_identities.at({read.kind, read.key})
                      ? "kept the last good version of " + object
                      : object + " is left out";
      }
      for (const YamlError& error : read.errors) {
        add(found(Problem::Severity::Error, error.mark, error.what + "; " + outcome));
      }
    }
    if (template_objects_ != 0) {
      add(found(Problem::Severity::Error, template_mark_,
                "a template, not a manifest; render it first, for example with `helm template`; " +
                    (kept != 0 ? kept_text : count_objects(template_objects_) + " left out")));
    }
  }

  void report() {
    std::stable_sort(found_.begin(), found_.end(), [](const Problem& a, const Problem& b) {
      return std::tie(a.line, a.column) < std::tie(b.line, b.column);
    });
    std::move(found_.begin(), found_.end(), std::back_inserter(problems_));
    if (const std::size_t more = more_found_ + more_failed_; more > 0) {
      const auto severity =
          more_failed_ > 0 ? Problem::Severity::Error : Problem::Severity::Warning;
      problems_.push_back(
          found(severity, {}, "and " + std::to_string(more) + " more findings in this file"));
    }
  }

  LoadedFile& file_;
  const ReadOptions& options_;
  std::vector<Problem>& problems_;
  std::vector<ManifestObject> objects_;
  std::vector<ReadObject> failed_;
  std::vector<Problem> found_;  // held back: they only count when the file is used
  std::size_t more_failed_ = 0, more_found_ = 0;
  std::size_t template_objects_ = 0;  // objects and documents that are none because of one
  YamlMark template_mark_;            // the first
  bool meant_ = false;                // something in it is an object, or was meant to be one
  bool full_ = false;
  std::size_t documents_ = 0;
  Count committed_;  // before the document that is being read
  Lines lines_;
  std::optional<YamlError> unusable_;
};

}  // namespace

void reload_file(LoadedFile& file, const FileStamp& stamp, const ReadOptions& options,
                 std::vector<Problem>& problems, std::vector<ManifestObject>& replaced) {
  const auto now = std::chrono::duration_cast<std::chrono::nanoseconds>(
                       std::chrono::system_clock::now().time_since_epoch())
                       .count();
  file.stamp = stamp;
  file.racy = now - std::max(stamp.modified_ns, stamp.changed_ns) < kRacyNanoseconds;
  FileReader(file, options, problems).run(replaced);
}

}  // namespace clusterdns::registry
