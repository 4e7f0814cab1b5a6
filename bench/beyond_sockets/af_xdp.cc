// A UDP server on AF_XDP: a program at the interface hands it the frames of one port, past the
// network stack, and it turns each into its answer where it lies.
//
//   beyond_af_xdp PORT INTERFACE [--generic] [--zero-copy]
//
// --generic    the program runs behind the driver, as with drivers that do not know XDP
// --zero-copy  frames are to be shared with the driver, not copied; an error where it cannot
//
// Needs CAP_NET_ADMIN, CAP_NET_RAW and CAP_BPF. IPv4 without options or fragments is answered; all
// else (ARP too) goes on to the kernel. The program of 23 instructions is assembled here, so that
// no clang is needed.
#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/if_xdp.h>
#include <net/if.h>
#include <poll.h>
#include <sys/mman.h>
#include <xdp/xsk.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "echo.h"

#ifndef XDP_MAX_TX_SKB_BUDGET  // Linux 6.17
#define XDP_MAX_TX_SKB_BUDGET 9
#endif

namespace beyond_sockets {
namespace {

// More than clients here have under way.
constexpr unsigned kFrames = 1024;
constexpr unsigned kFrameSize = 2048;
constexpr unsigned kBatch = 64;
constexpr std::size_t kIp = ETH_HLEN;
constexpr std::size_t kUdp = kIp + 20;
constexpr std::size_t kPayload = kUdp + 8;

int fail(const char* what, int error) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
  return 1;
}

// ---- the program at the interface ----

constexpr bpf_insn instruction(int code, unsigned to, unsigned from, std::int16_t offset,
                               std::int32_t value) {
  bpf_insn made{};
  made.code = static_cast<std::uint8_t>(code);
  made.dst_reg = to & 15;
  made.src_reg = from & 15;
  made.off = offset;
  made.imm = value;
  return made;
}
constexpr bpf_insn load(int size, unsigned to, unsigned from, std::int16_t offset) {
  return instruction(BPF_LDX | size | BPF_MEM, to, from, offset, 0);
}
// Over so many instructions, to where the frame is passed on, unless the register has the value.
constexpr bpf_insn pass_unless(unsigned reg, std::int32_t value, std::int16_t over) {
  return instruction(BPF_JMP | BPF_JNE | BPF_K, reg, 0, over, value);
}

int load_program(std::uint16_t port, int map) {
  const bpf_insn program[] = {
      load(BPF_W, 2, 1, offsetof(xdp_md, data)),
      load(BPF_W, 3, 1, offsetof(xdp_md, data_end)),
      instruction(BPF_ALU64 | BPF_MOV | BPF_X, 4, 2, 0, 0),
      instruction(BPF_ALU64 | BPF_ADD | BPF_K, 4, 0, 0, int{kPayload}),
      instruction(BPF_JMP | BPF_JGT | BPF_X, 4, 3, 17, 0),  // shorter than its headers
      load(BPF_H, 5, 2, 12),
      pass_unless(5, htons(ETH_P_IP), 15),
      load(BPF_B, 5, 2, kIp),
      pass_unless(5, 0x45, 13),  // IPv4, no options
      load(BPF_H, 5, 2, kIp + 6),
      instruction(BPF_ALU64 | BPF_AND | BPF_K, 5, 0, 0, htons(0x3FFF)),
      pass_unless(5, 0, 10),  // no fragment
      load(BPF_B, 5, 2, kIp + 9),
      pass_unless(5, IPPROTO_UDP, 8),
      load(BPF_H, 5, 2, kUdp + 2),
      pass_unless(5, htons(port), 6),
      load(BPF_W, 2, 1, offsetof(xdp_md, rx_queue_index)),
      instruction(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
      instruction(0, 0, 0, 0, 0),
      instruction(BPF_ALU64 | BPF_MOV | BPF_K, 3, 0, 0, XDP_PASS),  // when no socket is in the map
      instruction(BPF_JMP | BPF_CALL, 0, 0, 0, BPF_FUNC_redirect_map),
      instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
      instruction(BPF_ALU64 | BPF_MOV | BPF_K, 0, 0, 0, XDP_PASS),
      instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0),
  };
  LIBBPF_OPTS(bpf_prog_load_opts, options);
  static std::array<char, 65536> log;
  options.log_buf = log.data();
  options.log_size = log.size();
  const int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "dns_port", "Apache-2.0", program,
                               std::size(program), &options);
  if (fd < 0) std::fputs(log.data(), stderr);
  return fd;
}

// ---- frames ----

std::uint32_t sum(const std::uint8_t* data, std::size_t size, std::uint32_t from) noexcept {
  std::uint64_t total = from;
  for (; size >= 4; data += 4, size -= 4) {
    std::uint32_t word;
    std::memcpy(&word, data, sizeof word);
    total += word;
  }
  std::uint32_t rest = 0;
  std::memcpy(&rest, data, size);
  total += rest;
  total = (total & 0xFFFF'FFFF) + (total >> 32);
  total = (total & 0xFFFF'FFFF) + (total >> 32);
  const auto folded = static_cast<std::uint32_t>(total);
  return (folded & 0xFFFF) + (folded >> 16);
}

std::uint16_t checksum(std::uint32_t total) noexcept {
  total = (total & 0xFFFF) + (total >> 16);
  total = (total & 0xFFFF) + (total >> 16);
  return static_cast<std::uint16_t>(~total);
}

void store(std::uint8_t* to, std::uint16_t value) noexcept {
  std::memcpy(to, &value, sizeof value);
}

void swap(std::uint8_t* a, std::uint8_t* b, std::size_t size) noexcept {
  std::array<std::uint8_t, 6> kept{};
  std::memcpy(kept.data(), a, size);
  std::memcpy(a, b, size);
  std::memcpy(b, kept.data(), size);
}

// Turns the frame of a query into that of its answer. Returns its octets.
std::uint32_t answer_frame(std::uint8_t* frame, std::uint32_t size) noexcept {
  std::uint16_t udp_size;
  std::memcpy(&udp_size, frame + kUdp + 4, sizeof udp_size);
  // Frames may be padded; what UDP says counts, within the frame.
  std::size_t payload = ntohs(udp_size);
  payload = payload < 8 || kUdp + payload > size ? 0 : payload - 8;
  payload = answer(frame + kPayload, payload);
  swap(frame, frame + 6, 6);
  swap(frame + kIp + 12, frame + kIp + 16, 4);
  swap(frame + kUdp, frame + kUdp + 2, 2);
  store(frame + kIp + 2, htons(static_cast<std::uint16_t>(20 + 8 + payload)));
  frame[kIp + 8] = 64;  // TTL
  store(frame + kIp + 10, 0);
  store(frame + kIp + 10, checksum(sum(frame + kIp, 20, 0)));
  const std::uint16_t length = htons(static_cast<std::uint16_t>(8 + payload));
  store(frame + kUdp + 4, length);
  store(frame + kUdp + 6, 0);
  // The query's sum covers only the pseudo header when it came from this machine: all is added up.
  std::uint32_t total = sum(frame + kIp + 12, 8, 0) + htons(IPPROTO_UDP) + length;
  total = sum(frame + kUdp, 8 + payload, total);
  const std::uint16_t value = checksum(total);
  store(frame + kUdp + 6, value == 0 ? 0xFFFF : value);
  return static_cast<std::uint32_t>(kPayload + payload);
}

int serve(std::uint16_t port, const char* interface, bool generic, bool zero_copy) {
  const unsigned index = ::if_nametoindex(interface);
  if (index == 0) return fail(interface, errno);
  void* const area = ::mmap(nullptr, std::size_t{kFrames} * kFrameSize, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (area == MAP_FAILED) return fail("mmap", errno);
  xsk_umem* umem = nullptr;
  xsk_ring_prod fill{};
  xsk_ring_cons completed{};
  const xsk_umem_config memory{kFrames, kFrames, kFrameSize, 0, 0};
  if (const int r = xsk_umem__create(&umem, area, std::uint64_t{kFrames} * kFrameSize, &fill,
                                     &completed, &memory);
      r < 0) {
    return fail("xsk_umem__create", -r);
  }
  xsk_socket* socket = nullptr;
  xsk_ring_cons rx{};
  xsk_ring_prod tx{};
  xsk_socket_config config{};
  config.rx_size = kFrames;
  config.tx_size = kFrames;
  config.libxdp_flags = XSK_LIBXDP_FLAGS__INHIBIT_PROG_LOAD;
  config.bind_flags =
      static_cast<std::uint16_t>(XDP_USE_NEED_WAKEUP | (zero_copy ? XDP_ZEROCOPY : XDP_COPY));
  if (const int r = xsk_socket__create(&socket, interface, 0, umem, &rx, &tx, &config); r < 0) {
    return fail(zero_copy ? "bind of the AF_XDP socket with XDP_ZEROCOPY" : "xsk_socket__create",
                -r);
  }
  const int fd = xsk_socket__fd(socket);
  // A system call for each 32 answers otherwise. Older kernels do not know the option.
  const unsigned budget = kBatch;
  (void)::setsockopt(fd, SOL_XDP, XDP_MAX_TX_SKB_BUDGET, &budget, sizeof budget);

  std::uint32_t at = 0;
  if (xsk_ring_prod__reserve(&fill, kFrames, &at) != kFrames) return fail("fill ring", ENOSPC);
  for (unsigned i = 0; i < kFrames; ++i) {
    *xsk_ring_prod__fill_addr(&fill, at + i) = std::uint64_t{i} * kFrameSize;
  }
  xsk_ring_prod__submit(&fill, kFrames);

  const int map =
      bpf_map_create(BPF_MAP_TYPE_XSKMAP, "sockets", sizeof(int), sizeof(int), 1, nullptr);
  if (map < 0) return fail("bpf_map_create", -map);
  const int key = 0;
  if (const int r = bpf_map_update_elem(map, &key, &fd, 0); r < 0) return fail("map", -r);
  const int program = load_program(port, map);
  if (program < 0) return fail("bpf_prog_load", -program);
  // Kept by its descriptor: gone from the interface when this program ends.
  LIBBPF_OPTS(bpf_link_create_opts, options);
  options.flags = generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
  const int link = bpf_link_create(program, static_cast<int>(index), BPF_XDP, &options);
  if (link < 0) return fail("bpf_link_create", -link);

  Counters counters;
  auto* const frames = static_cast<std::uint8_t*>(area);
  unsigned under_way = 0;
  while (!ended) {
    // Frames that were sent go back to be filled.
    if (const unsigned done = under_way == 0 ? 0 : xsk_ring_cons__peek(&completed, kFrames, &at);
        done != 0) {
      std::uint32_t to = 0;
      // There is room: the ring holds all frames.
      (void)xsk_ring_prod__reserve(&fill, done, &to);
      for (unsigned i = 0; i < done; ++i) {
        *xsk_ring_prod__fill_addr(&fill, to + i) = *xsk_ring_cons__comp_addr(&completed, at + i);
      }
      xsk_ring_prod__submit(&fill, done);
      xsk_ring_cons__release(&completed, done);
      under_way -= done;
    }
    const unsigned received = xsk_ring_cons__peek(&rx, kBatch, &at);
    if (received == 0) {
      pollfd waiting{fd, POLLIN, 0};
      (void)::poll(&waiting, 1, -1);
      continue;
    }
    ++counters.batches;
    counters.queries += received;
    counters.datagrams += received;
    counters.sends += received;
    std::uint32_t to = 0;
    (void)xsk_ring_prod__reserve(&tx, received, &to);
    for (unsigned i = 0; i < received; ++i) {
      const xdp_desc& in = *xsk_ring_cons__rx_desc(&rx, at + i);
      xdp_desc& out = *xsk_ring_prod__tx_desc(&tx, to + i);
      out.addr = in.addr;
      out.len = answer_frame(frames + in.addr, in.len);
      out.options = 0;
    }
    xsk_ring_cons__release(&rx, received);
    xsk_ring_prod__submit(&tx, received);
    under_way += received;
    // Sends at most its budget; EAGAIN says that there is more.
    while (::sendto(fd, nullptr, 0, MSG_DONTWAIT, nullptr, 0) < 0 && errno == EAGAIN) {
    }
  }
  counters.print();
  return 0;
}

}  // namespace
}  // namespace beyond_sockets

int main(int argc, char** argv) {
  using namespace beyond_sockets;
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s PORT INTERFACE [--generic] [--zero-copy]\n", argv[0]);
    return 2;
  }
  end_on_signals();
  return serve(static_cast<std::uint16_t>(std::atoi(argv[1])), argv[2],
               has_option(argc, argv, "--generic"), has_option(argc, argv, "--zero-copy"));
}
