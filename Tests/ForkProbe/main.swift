import BertKernels
import Synchronization
import SystemLibrary

// Forks while a team of threads exists, and checks that it works on both sides.
//
//   ForkProbe fork THREADS idle|busy|held use|close|unused
//   ForkProbe load FORKS THREADS
//   ForkProbe family | crowd | refused | inside | nested-caller | nested-worker

/// What becomes of a team in a child.
enum Fate: String {
  /// It is used, and is there when the child exits.
  case use
  /// It is used and let go.
  case close
  /// It is let go without having been used.
  case unused
}

/// One state of the team at the moment of the fork, and what the child then does with it.
func forkBeside(threads: Int, _ state: BusyTeam.State, _ fate: Fate) {
  let busy = BusyTeam()
  let before = threadCount()
  var team: ThreadTeam? = ThreadTeam(count: threads)
  guard let companions = team.map({ busy.start($0, state) }) else { return }
  inChild {
    let before = threadCount()
    if fate != .unused, let team { use(team) }
    if fate == .use {
      waitForThreads(before + threads - 1)
      return
    }
    weak let left = team
    team = nil
    expect(left == nil, "somebody else holds the team")
    waitForThreads(before)
  }
  // Nobody took anything from the parent.
  busy.stop(companions, workers: threads)
  if let team { use(team) }
  team = nil
  waitForThreads(before)
}

/// Many forks while two threads run the team.
func load(forks: Int, threads: Int) {
  let busy = BusyTeam()
  let team = ThreadTeam(count: threads)
  let companions = busy.start(team, .busy)
  for _ in 0..<forks { inChild { use(team, rounds: 3) } }
  busy.stop(companions, workers: threads)
  use(team)
}

/// A child's child, and the child again after it.
func family() {
  let team = ThreadTeam(count: 3)
  use(team)
  inChild {
    inChild { use(team) }
    use(team)
    inChild { use(team) }
    let own = ThreadTeam(count: 2)
    inChild {
      use(own)
      use(team)
    }
    use(own)
    use(team)
  }
  use(team)
}

/// Many threads of a child that all find the parent's team at once.
func crowd() {
  let (callers, runs, threads) = (8, 50, 3)
  let team = ThreadTeam(count: threads)
  use(team)
  inChild {
    let before = threadCount()
    let done = Tally()
    let companions = (0..<callers).map { _ in
      Companion { for _ in 0..<runs { team.run { _ in done.add() } } }
    }
    for companion in companions { companion.join() }
    expect(done.value == callers * runs * threads, "\(done.value) parts were done")
    // Whoever started threads in vain has ended them.
    waitForThreads(before + threads - 1)
  }
  use(team)
}

/// Lets threads have, by default, stacks larger than the address space.
func refuseThreads() {
  typealias SetDefault = @convention(c) (UnsafePointer<pthread_attr_t>) -> Int32
  // A call of the GNU library, which the Swift module of it leaves out.
  guard let address = dlsym(nil, "pthread_setattr_default_np") else { fail("no such call") }
  var attributes = pthread_attr_t()
  pthread_attr_init(&attributes)
  pthread_attr_setstacksize(&attributes, 1 << 47)
  let result = unsafeBitCast(address, to: SetDefault.self)(&attributes)
  expect(result == 0, "threads get stacks all the same")
}

/// A child that gets no threads works with the one it has.
func refused() {
  let team = ThreadTeam(count: 4)
  use(team)
  inChild {
    refuseThreads()
    expect(team.count == 4, "it changes before it is used")
    team.run { _ in }
    expect(team.count == 1, "there are \(team.count) workers")
    use(team)
  }
  use(team)
}

/// A run that is cut in two by a fork: its other thread is missing in the child.
///
/// Ends as the child did.
func inside() {
  let team = ThreadTeam(count: 2)
  let parent = getpid()
  let code = Atomic<Int>(0)
  let isForked = Atomic(false)
  team.run { worker in
    // The other thread's part is not over before the fork: else the child's run would be whole.
    guard worker == 0 else {
      while !isForked.load(ordering: .relaxed) { sched_yield() }
      return
    }
    code.store(Int(forkAndGoOn()), ordering: .relaxed)
    isForked.store(true, ordering: .relaxed)
  }
  if getpid() != parent { fail("the child finished a run without its threads") }
  exit(Int32(code.load(ordering: .relaxed)))
}

/// A run from inside a run, by the worker with this index.
func nested(_ index: Int) {
  let team = ThreadTeam(count: 2)
  team.run { worker in
    if worker == index { team.run { _ in } }
  }
}

let arguments = Array(CommandLine.arguments.dropFirst())
switch (arguments.first ?? "", arguments.count) {
case ("fork", 4):
  guard let threads = Int(arguments[1]), let state = BusyTeam.State(rawValue: arguments[2]),
    let fate = Fate(rawValue: arguments[3])
  else { fail("no such case") }
  forkBeside(threads: threads, state, fate)
case ("load", 3):
  guard let forks = Int(arguments[1]), let threads = Int(arguments[2]) else { fail("no number") }
  load(forks: forks, threads: threads)
case ("family", 1): family()
case ("crowd", 1): crowd()
case ("refused", 1): refused()
case ("inside", 1): inside()
case ("nested-caller", 1): nested(0)
case ("nested-worker", 1): nested(1)
default: fail("no such case")
}
