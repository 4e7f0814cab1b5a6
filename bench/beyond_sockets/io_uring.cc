// A UDP server on io_uring: multishot recvmsg into a ring of provided buffers.
//
//   beyond_io_uring PORT [--send | --sendmmsg]
//
// Answers leave by one IORING_OP_SENDMSG each; with --send by IORING_OP_SEND with an address, which
// spares the kernel the msghdr; with --sendmmsg by one system call for all that came.
#include <liburing.h>

#include <cerrno>
#include <cstdlib>
#include <memory>

#include "echo.h"

namespace beyond_sockets {
namespace {

enum class Way { SendMsg, Send, SendMmsg };

// Buffers for queries; a power of two. More than clients here have under way, so that the multishot
// request does not end for want of one.
constexpr unsigned kBuffers = 512;
// Answers handed to the kernel at once, as large as the batches of the other programs.
constexpr unsigned kBatch = 64;
constexpr int kGroup = 0;
constexpr std::uint64_t kReceive = 1;
constexpr std::uint64_t kSend = 2;

// As multishot recvmsg fills it: a header, the peer's address, the datagram.
struct Buffer {
  io_uring_recvmsg_out header;
  sockaddr_in peer;
  std::array<std::uint8_t, kRoom + kRecord.size()> data;
};
// What a query may fill.
constexpr unsigned kRead = sizeof(io_uring_recvmsg_out) + sizeof(sockaddr_in) + kRoom;

int fail(const char* what, int error) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(error));
  return 1;
}

int serve(int fd, Way way) {
  io_uring ring{};
  io_uring_params params{};
  params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
  params.cq_entries = 2 * kBuffers;
  if (const int r = io_uring_queue_init_params(2 * kBatch, &ring, &params); r < 0) {
    return fail("io_uring_setup (SINGLE_ISSUER, DEFER_TASKRUN)", -r);
  }
  // Registered, the ring and the socket are not looked up for every request.
  if (const int r = io_uring_register_ring_fd(&ring); r < 0) return fail("register_ring_fd", -r);
  if (const int r = io_uring_register_files(&ring, &fd, 1); r < 0)
    return fail("register_files", -r);

  const auto buffers = std::make_unique<std::array<Buffer, kBuffers>>();
  auto* const provided =
      static_cast<io_uring_buf_ring*>(std::aligned_alloc(4096, kBuffers * sizeof(io_uring_buf)));
  io_uring_buf_ring_init(provided);
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(provided);
  registration.ring_entries = kBuffers;
  registration.bgid = kGroup;
  if (const int r = io_uring_register_buf_ring(&ring, &registration, 0); r < 0) {
    return fail("register_buf_ring", -r);
  }
  const int mask = io_uring_buf_ring_mask(kBuffers);
  const auto give = [&](unsigned id, int offset) {
    io_uring_buf_ring_add(provided, &(*buffers)[id], kRead, static_cast<unsigned short>(id), mask,
                          offset);
  };
  for (unsigned id = 0; id < kBuffers; ++id) give(id, static_cast<int>(id));
  io_uring_buf_ring_advance(provided, static_cast<int>(kBuffers));

  // Only the length of the name counts.
  msghdr wanted{};
  wanted.msg_namelen = sizeof(sockaddr_in);
  const auto receive = [&] {
    io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
    io_uring_prep_recvmsg_multishot(sqe, 0, &wanted, 0);
    sqe->flags |= IOSQE_FIXED_FILE | IOSQE_BUFFER_SELECT;
    sqe->buf_group = kGroup;
    sqe->user_data = kReceive;
  };
  receive();

  std::array<mmsghdr, kBatch> messages{};
  std::array<iovec, kBatch> vectors{};
  std::array<unsigned, kBatch> ids{};
  for (unsigned i = 0; i < kBatch; ++i) {
    messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  Counters counters;
  unsigned count = 0;
  while (!ended) {
    // One system call sends the answers of the last batch and waits for the next.
    const int waited = io_uring_submit_and_wait(&ring, 1);
    if (waited < 0 && waited != -EINTR) return fail("submit_and_wait", -waited);
    // With MSG_DONTWAIT a datagram has left, or has failed, once it is submitted: the buffers are
    // free again.
    for (unsigned i = 0; i < count; ++i) give(ids[i], static_cast<int>(i));
    io_uring_buf_ring_advance(provided, static_cast<int>(count));
    unsigned head, seen = 0;
    count = 0;
    io_uring_cqe* cqe;
    bool again = false;
    io_uring_for_each_cqe(&ring, head, cqe) {
      if (count == kBatch) break;
      ++seen;
      if (cqe->user_data != kReceive) {
        // Those that succeed are silent (CQE_SKIP_SUCCESS).
        std::fprintf(stderr, "send: %s\n", std::strerror(-cqe->res));
        continue;
      }
      if ((cqe->flags & IORING_CQE_F_MORE) == 0) again = true;
      if (cqe->res < 0) {
        // Out of buffers ends the multishot request; they are back before it is made again.
        if (cqe->res != -ENOBUFS) std::fprintf(stderr, "recvmsg: %s\n", std::strerror(-cqe->res));
        continue;
      }
      if ((cqe->flags & IORING_CQE_F_BUFFER) == 0) continue;
      const unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
      Buffer& b = (*buffers)[id];
      ids[count] = id;
      vectors[count] = {b.data.data(), answer(b.data.data(), b.header.payloadlen)};
      messages[count].msg_hdr.msg_name = &b.peer;
      ++count;
    }
    io_uring_cq_advance(&ring, seen);
    if (count != 0) {
      ++counters.batches;
      counters.queries += count;
      counters.datagrams += count;
      counters.sends += count;
    }
    if (way == Way::SendMmsg) {
      for (unsigned sent = 0; sent < count;) {
        const int done = ::sendmmsg(fd, messages.data() + sent, count - sent, 0);
        if (done > 0) {
          sent += static_cast<unsigned>(done);
        } else if (errno != EINTR) {
          ++sent;
        }
      }
    } else {
      for (unsigned i = 0; i < count; ++i) {
        io_uring_sqe* const sqe = io_uring_get_sqe(&ring);
        if (way == Way::SendMsg) {
          io_uring_prep_sendmsg(sqe, 0, &messages[i].msg_hdr, MSG_DONTWAIT);
        } else {
          io_uring_prep_send(sqe, 0, vectors[i].iov_base, vectors[i].iov_len, MSG_DONTWAIT);
          sqe->addr2 = reinterpret_cast<std::uintptr_t>(messages[i].msg_hdr.msg_name);
          sqe->addr_len = sizeof(sockaddr_in);
        }
        sqe->flags |= IOSQE_FIXED_FILE | IOSQE_CQE_SKIP_SUCCESS;
        sqe->user_data = kSend;
      }
    }
    if (again) receive();
  }
  counters.print();
  io_uring_queue_exit(&ring);
  std::free(provided);
  return 0;
}

}  // namespace
}  // namespace beyond_sockets

int main(int argc, char** argv) {
  using namespace beyond_sockets;
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s PORT [--send | --sendmmsg]\n", argv[0]);
    return 2;
  }
  end_on_signals();
  const int fd = bound_socket(static_cast<std::uint16_t>(std::atoi(argv[1])));
  if (fd < 0) return 1;
  return serve(fd, has_option(argc, argv, "--sendmmsg") ? Way::SendMmsg
                   : has_option(argc, argv, "--send")   ? Way::Send
                                                        : Way::SendMsg);
}
