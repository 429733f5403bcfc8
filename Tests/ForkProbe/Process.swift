import BertKernels
import SystemLibrary

/// Seconds that a child may take before it is taken to hang; sanitizers slow it down.
private let patience: UInt32 = 60

/// Runs `body` in a forked child that then exits as programs do.
///
/// Ends this process too when the child did not end with 0: a hang ends it by SIGALRM, 142.
func inChild(_ body: () -> Void) {
  let child = forked()
  if child == 0 {
    body()
    exit(0)
  }
  let code = outcome(child)
  expect(code == 0, "the child ended with \(code)")
}

/// Forks and returns in both processes: 0 in the child, in the parent when that has ended, with its
/// outcome.
func forkAndGoOn() -> Int32 {
  let child = forked()
  return child == 0 ? 0 : outcome(child)
}

private func forked() -> pid_t {
  let child = fork()
  expect(child >= 0, "no fork")
  if child == 0 { alarm(patience) }
  return child
}

/// The exit code of a child, or 128 and the signal that ended it.
private func outcome(_ child: pid_t) -> Int32 {
  var status: Int32 = 0
  while waitpid(child, &status, 0) < 0, errno == EINTR {}
  return status & 0x7F == 0 ? (status >> 8) & 0xFF : 128 + (status & 0x7F)
}

/// Tells LeakSanitizer, where there is one, whether to look for leaks.
///
/// Not in a child, which leaves what belonged to threads of its parent as it lies.
@_cdecl("__lsan_is_turned_off")
public func leavesMemory() -> Int32 { ForkGeneration.current == 0 ? 0 : 1 }
