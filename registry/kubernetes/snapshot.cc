#include "registry/kubernetes/snapshot.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cerrno>
#include <cstring>
#include <unordered_map>
#include <vector>

namespace clusterdns::registry::kubernetes {
namespace {

constexpr std::string_view kMagic = "clusterdns snapshot\n";
constexpr std::size_t kChecksumSize = 4;
constexpr std::uintmax_t kMaxFile = std::uintmax_t{1} << 30;

std::uint32_t checksum(std::string_view data) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(data.data()), data.size()));
}

class Writer {
 public:
  void number(std::uint64_t value) {
    while (value >= 0x80) {
      out.push_back(static_cast<char>(value | 0x80));
      value >>= 7;
    }
    out.push_back(static_cast<char>(value));
  }
  void text(std::string_view text) {
    number(text.size());
    out += text;
  }
  void address(const IpAddress& address) {
    number(address.size());
    out.append(reinterpret_cast<const char*>(address.octets.data()), address.size());
  }
  void addresses(const std::vector<IpAddress>& list) {
    number(list.size());
    for (const IpAddress& each : list) address(each);
  }
  void labels(const Labels& labels) {
    number(labels.size());
    for (const auto& [key, value] : labels) {
      text(key);
      text(value);
    }
  }
  std::string out;
};

// Reading past the end, or what cannot be, makes it bad for ever.
class Reader {
 public:
  explicit Reader(std::string_view data) : rest_(data) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto octet = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= std::uint64_t{octet & 0x7FU} << shift;
      if (octet < 0x80) return value;
    }
    good_ = false;
    rest_ = {};
    return 0;
  }
  // Of things that take an octet each at least.
  std::size_t count() {
    const std::uint64_t value = number();
    if (value > rest_.size()) {
      good_ = false;
      rest_ = {};
      return 0;
    }
    return static_cast<std::size_t>(value);
  }
  std::string_view view() {
    const std::size_t size = count();
    const std::string_view text = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return text;
  }
  std::string text() { return std::string(view()); }
  IpAddress address() {
    IpAddress result;
    const std::string_view octets = view();
    if (octets.size() != 4 && octets.size() != 16) {
      good_ = false;
      return result;
    }
    result.family = octets.size() == 4 ? IpFamily::V4 : IpFamily::V6;
    std::memcpy(result.octets.data(), octets.data(), octets.size());
    return result;
  }
  std::vector<IpAddress> addresses() {
    std::vector<IpAddress> list(count());
    for (IpAddress& each : list) each = address();
    return list;
  }
  Labels labels() {
    Labels list(count());
    for (auto& [key, value] : list) {
      key = text();
      value = text();
    }
    return list;
  }
  Protocol protocol() {
    const std::uint64_t value = number();
    if (value > static_cast<std::uint64_t>(Protocol::Sctp)) good_ = false;
    return static_cast<Protocol>(value);
  }
  std::uint16_t port() { return static_cast<std::uint16_t>(number()); }
  [[nodiscard]] bool good() const { return good_; }
  [[nodiscard]] bool at_end() const { return good_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool good_ = true;
};

void write_service(Writer& w, const Service& s) {
  w.text(s.key.ns);
  w.text(s.key.name);
  w.number(static_cast<std::uint64_t>(s.type));
  w.number((s.headless ? 1U : 0U) | (s.publish_not_ready_addresses ? 2U : 0U));
  w.addresses(s.cluster_ips);
  w.number(s.ports.size());
  for (const ServicePort& port : s.ports) {
    w.text(port.name);
    w.number(static_cast<std::uint64_t>(port.protocol));
    w.number(port.port);
  }
  w.text(s.external_name);
  w.labels(s.labels);
  w.addresses(s.external_ips);
  w.addresses(s.load_balancer_ips);
}

Service read_service(Reader& r, bool& good) {
  Service s;
  s.key.ns = r.text();
  s.key.name = r.text();
  const std::uint64_t type = r.number();
  if (type > static_cast<std::uint64_t>(ServiceType::ExternalName)) good = false;
  s.type = static_cast<ServiceType>(type);
  const std::uint64_t flags = r.number();
  s.headless = (flags & 1) != 0;
  s.publish_not_ready_addresses = (flags & 2) != 0;
  s.cluster_ips = r.addresses();
  s.ports.resize(r.count());
  for (ServicePort& port : s.ports) {
    port.name = r.text();
    port.protocol = r.protocol();
    port.port = r.port();
  }
  s.external_name = r.text();
  s.labels = r.labels();
  s.external_ips = r.addresses();
  s.load_balancer_ips = r.addresses();
  return s;
}

void write_slice(Writer& w, const EndpointSlice& slice) {
  w.text(slice.key.ns);
  w.text(slice.key.name);
  w.text(slice.service);
  w.number(slice.ports.size());
  for (const EndpointPort& port : slice.ports) {
    w.text(port.name);
    w.number(static_cast<std::uint64_t>(port.protocol));
    w.number(port.port);
  }
  w.number(slice.endpoints.size());
  const EndpointDetail* last = nullptr;
  for (const Endpoint& endpoint : slice.endpoints) {
    // 1: ready; 2: has a detail; 4: the one of the endpoint before.
    const bool same = endpoint.detail != nullptr && endpoint.detail.get() == last;
    w.number((endpoint.ready ? 1U : 0U) | (endpoint.detail ? 2U : 0U) | (same ? 4U : 0U));
    w.address(endpoint.address);
    if (endpoint.detail && !same) {
      w.text(endpoint.detail->hostname);
      w.text(endpoint.detail->target_name);
      w.text(endpoint.detail->zone);
      w.text(endpoint.detail->cluster);
    }
    if (endpoint.detail) last = endpoint.detail.get();
  }
}

EndpointSlice read_slice(Reader& r, bool& good) {
  EndpointSlice slice;
  slice.key.ns = r.text();
  slice.key.name = r.text();
  slice.service = r.text();
  slice.ports.resize(r.count());
  for (EndpointPort& port : slice.ports) {
    port.name = r.text();
    port.protocol = r.protocol();
    port.port = r.port();
  }
  const std::size_t endpoints = r.count();
  slice.endpoints.reserve(endpoints);
  std::shared_ptr<const EndpointDetail> last;
  for (std::size_t i = 0; i < endpoints; ++i) {
    Endpoint endpoint;
    const std::uint64_t flags = r.number();
    endpoint.ready = (flags & 1) != 0;
    endpoint.address = r.address();
    if ((flags & 2) != 0) {
      if ((flags & 4) == 0) {
        EndpointDetail detail;
        detail.hostname = r.text();
        detail.target_name = r.text();
        detail.zone = r.text();
        detail.cluster = r.text();
        last = std::make_shared<const EndpointDetail>(std::move(detail));
      } else if (last == nullptr) {
        good = false;
      }
      endpoint.detail = last;
    }
    slice.endpoints.push_back(endpoint);
  }
  return slice;
}

// Counts stand before their objects, so they are counted first.
void write_services_and_slices(Writer& w, const Store& store) {
  std::size_t services = 0, slices = 0;
  store.for_each_service([&](const Service&) { ++services; });
  store.for_each_slice([&](const EndpointSlice&) { ++slices; });
  w.number(services);
  store.for_each_service([&](const Service& service) { write_service(w, service); });
  w.number(slices);
  store.for_each_slice([&](const EndpointSlice& slice) { write_slice(w, slice); });
}

struct ServicesAndSlices {
  std::vector<Service> services;
  std::vector<EndpointSlice> slices;
};

ServicesAndSlices read_services_and_slices(Reader& r, bool& good) {
  ServicesAndSlices both;
  both.services.resize(r.count());
  for (Service& service : both.services) service = read_service(r, good);
  both.slices.resize(r.count());
  for (EndpointSlice& slice : both.slices) slice = read_slice(r, good);
  return both;
}

void put(ServicesAndSlices both, Store& store) {
  for (Service& service : both.services) store.upsert(std::move(service));
  for (EndpointSlice& slice : both.slices) store.upsert(std::move(slice));
}

}  // namespace

std::string encode_snapshot(const Store& store, const Store* imports, std::string_view identity,
                            std::chrono::system_clock::time_point now) {
  Writer w;
  w.out.reserve(std::size_t{64} * 1024 + store.service_count() * 96 + store.endpoint_count() * 6);
  w.out += kMagic;
  w.number(kSnapshotVersion);
  w.number(static_cast<std::uint64_t>(
      std::chrono::duration_cast<std::chrono::seconds>(now.time_since_epoch()).count()));
  w.text(identity);
  std::size_t namespaces = 0, pods = 0;
  store.for_each_namespace([&](const Namespace&) { ++namespaces; });
  store.for_each_pod([&](const Pod&) { ++pods; });
  w.number(namespaces);
  store.for_each_namespace([&](const Namespace& ns) {
    w.text(ns.name);
    w.labels(ns.labels);
  });
  write_services_and_slices(w, store);
  w.number(pods);
  store.for_each_pod([&](const Pod& pod) {
    w.text(pod.key.ns);
    w.text(pod.key.name);
    w.addresses(pod.ips);
    w.labels(pod.labels);
  });
  w.number(imports != nullptr ? 1 : 0);
  if (imports != nullptr) write_services_and_slices(w, *imports);
  const std::uint32_t sum = checksum(w.out);
  for (unsigned i = 0; i < kChecksumSize; ++i) w.out.push_back(static_cast<char>(sum >> (8 * i)));
  return std::move(w.out);
}

boost::system::result<SnapshotInfo, std::string> decode_snapshot(std::string_view data,
                                                                 std::string_view identity,
                                                                 Store& store, Store* imports) {
  using Failed = boost::system::result<SnapshotInfo, std::string>;
  const auto fail = [](const char* what) { return Failed(boost::system::in_place_error, what); };
  if (!data.starts_with(kMagic)) return fail("it is no snapshot");
  if (data.size() < kMagic.size() + kChecksumSize) return fail("it is cut off");
  Reader head(data.substr(kMagic.size(), data.size() - kMagic.size() - kChecksumSize));
  if (head.number() != kSnapshotVersion) return fail("another version of clusterdns wrote it");
  const std::string_view content = data.substr(0, data.size() - kChecksumSize);
  std::uint32_t sum = 0;
  for (unsigned i = 0; i < kChecksumSize; ++i) {
    sum |= std::uint32_t{static_cast<unsigned char>(data[content.size() + i])} << (8 * i);
  }
  if (sum != checksum(content)) return fail("its checksum is wrong");
  Reader& r = head;
  SnapshotInfo info;
  info.taken = std::chrono::system_clock::time_point(
      std::chrono::seconds(static_cast<std::int64_t>(r.number())));
  if (r.view() != identity) return fail("it is of another cluster, or of other options");

  bool good = true;
  std::vector<Namespace> namespaces(r.count());
  for (Namespace& ns : namespaces) {
    ns.name = r.text();
    ns.labels = r.labels();
  }
  ServicesAndSlices own = read_services_and_slices(r, good);
  std::vector<Pod> pods(r.count());
  for (Pod& pod : pods) {
    pod.key.ns = r.text();
    pod.key.name = r.text();
    pod.ips = r.addresses();
    pod.labels = r.labels();
  }
  ServicesAndSlices imported;
  if (r.number() != 0) imported = read_services_and_slices(r, good);
  if (!good || !r.at_end()) return fail("its content makes no sense");
  info.namespaces = namespaces.size();
  info.services = own.services.size();
  info.slices = own.slices.size();
  info.imports = imported.services.size();
  info.pods = pods.size();
  // An import shows in a namespace that exists here.
  if (imports != nullptr) {
    for (const Namespace& ns : namespaces) imports->upsert(Namespace(ns));
    put(std::move(imported), *imports);
  }
  for (Namespace& ns : namespaces) store.upsert(std::move(ns));
  put(std::move(own), store);
  for (Pod& pod : pods) store.upsert(std::move(pod));
  return info;
}

boost::system::result<std::string, std::string> read_snapshot_file(
    const std::filesystem::path& file) {
  using Text = boost::system::result<std::string, std::string>;
  const auto fail = [](const std::string& what) { return Text(boost::system::in_place_error, what); };
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(std::strerror(errno));
  struct stat s {};
  std::string data;
  std::string problem;
  if (::fstat(fd, &s) != 0) {
    problem = std::strerror(errno);
  } else if (!S_ISREG(s.st_mode) || static_cast<std::uintmax_t>(s.st_size) > kMaxFile) {
    problem = "it is no file, or too large";
  } else {
    data.resize(static_cast<std::size_t>(s.st_size));
    std::size_t at = 0;
    while (at < data.size()) {
      const ssize_t n = ::read(fd, data.data() + at, data.size() - at);
      if (n <= 0) break;
      at += static_cast<std::size_t>(n);
    }
    data.resize(at);
  }
  ::close(fd);
  if (!problem.empty()) return fail(problem);
  return Text(boost::system::in_place_value, std::move(data));
}

std::string write_snapshot_file(const std::filesystem::path& file, std::string_view data) {
  const std::string beside = file.string() + ".new";
  const int fd = ::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return "'" + beside + "': " + std::strerror(errno);
  std::string problem;
  std::string_view rest = data;
  while (!rest.empty()) {
    const ssize_t n = ::write(fd, rest.data(), rest.size());
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      problem = std::strerror(errno);
      break;
    }
    rest.remove_prefix(static_cast<std::size_t>(n));
  }
  if (problem.empty() && ::fsync(fd) != 0) problem = std::strerror(errno);
  if (::close(fd) != 0 && problem.empty()) problem = std::strerror(errno);
  if (problem.empty() && ::rename(beside.c_str(), file.c_str()) != 0) {
    problem = std::strerror(errno);
  }
  if (!problem.empty()) {
    ::unlink(beside.c_str());
    return "'" + file.string() + "': " + problem;
  }
  // The new name, too, has to survive a power cut.
  const std::filesystem::path folder =
      file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  const int directory = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory >= 0) {
    (void)::fsync(directory);
    ::close(directory);
  }
  return {};
}

}  // namespace clusterdns::registry::kubernetes
