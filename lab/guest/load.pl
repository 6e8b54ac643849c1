#!/usr/bin/perl
# The load of every lab guest: an echo server, a disk writer that checks what it wrote, a memory dirtier that checks it too, a user of the
# Internet (outside.pl, beside this file), and their status. Runs with perl-base alone. It must never let a stalled disk stall the network:
# disk, memory, Internet and network are four processes.
#
#   load.pl DISK HTTP-PORT STATUS-FILE     (HTTP-PORT 0: another server has port 80; STATUS-FILE '-': none)
#
# Ports: 7 echo; 9 control: one status line on connecting, one more for each line received ("status", "dirty 2", "verify",
# "outside 203.0.113.80");
# HTTP-PORT: GET /status.json. Parameters at boot: supercloud.load=writes:20,sync:20,reads:20,dirty:2,buffer:16,region:16
use strict;
use warnings;
no warnings 'portable';    # 64-bit constants
use Errno;
use Fcntl;
use IO::Handle;
use IO::Select;
use IO::Socket::INET;
use Socket qw(AF_UNIX PF_UNSPEC SOCK_STREAM);

use constant {
  PAGE          => 4096,       # bytes of a record and of a memory page
  MEBI          => 1 << 20,
  TICK          => 0.05,       # seconds between two rounds of a worker
  IDLE_TICK     => 1,          # the same when nothing is to be done: an idle guest should look idle
  CATCH_UP      => 0.25,       # seconds of missed work made up for after a stall: more would be a burst that nobody asked for
  POOL          => 16384,      # bytes of pseudo-random data that contents are cut from
  LINE_MAX      => 8192,       # bytes of an unfinished request before its sender is dropped
  BACKLOG_MAX   => 1 << 18,    # bytes waiting for a slow reader before we stop reading from it
  PEERS_MAX     => 256,        # open connections, against descriptor exhaustion
  CLOCK_GETTIME => 228,        # x86-64; perl-base has no Time::HiRes
};

# name => [default, lowest, highest, worker]; rates per second, sync in writes, dirty in MB/s, buffer and region in MB (2^20)
my %PARAMETER = (
  writes => [20, 0, 5000,  'disk'],
  sync   => [20, 1, 1e6,   'disk'],
  reads  => [20, 0, 5000,  'disk'],
  dirty  => [2,  0, 4000,  'memory'],
  buffer => [16, 1, 65536, 'memory'],
  region => [16, 1, 65536, ''],        # fixed at boot
);
my %load = map { $_ => $PARAMETER{$_}[0] } keys %PARAMETER;

my ($disk, $http_port, $status_file) = @ARGV;
my $pool = make_pool();

# ---- shared by all processes

sub now {
  my $timespec = "\0" x 16;
  syscall(CLOCK_GETTIME, 1, $timespec);
  my ($seconds, $nanoseconds) = unpack 'qq', $timespec;
  return $seconds + $nanoseconds / 1e9;
}

sub first_line {
  my ($path) = @_;
  open my $file, '<', $path or return '';
  my $line = <$file>;
  return defined $line ? $line =~ s/\s+$//r : '';
}

# The same bytes in every guest and at every boot, so that a record can be judged without knowing which guest wrote it.
sub make_pool {
  use integer;
  my ($state, @words) = (1);
  for (1 .. (POOL + PAGE) / 4) {
    $state = ($state * 1664525 + 1013904223) & 0xffffffff;
    push @words, $state;
  }
  return pack 'V*', @words;
}

# $bytes bytes that depend on $key, hard to compress, and cheap to make: a slice of the pool under a mask.
sub content {
  my ($key, $bytes) = @_;
  use integer;
  my $mask = pack('q<', $key * 0x1E3779B97F4A7C15) x ($bytes / 8 + 1);
  return substr($pool, ($key * 40503) & (POOL - 1), $bytes) ^ substr($mask, 0, $bytes);
}

sub parse_parameter {
  my ($name, $value) = @_;
  my $rule = $PARAMETER{$name} or return "no parameter $name";
  return "$name takes a number from $rule->[1] to $rule->[2]"
    if $value !~ /^\d{1,7}(\.\d{1,3})?$/ || $value < $rule->[1] || $value > $rule->[2];
  $load{$name} = $value + 0;
  return '';
}

sub read_boot_parameters {
  my ($list) = first_line('/proc/cmdline') =~ /(?:^|\s)supercloud\.load=(\S+)/ or return;
  for (split /,/, $list) {
    my $problem = parse_parameter(split /:/, $_, 2);
    print STDERR "supercloud.load: $problem\n" if $problem;
  }
}

# ---- workers: each is a process with one socket to the network process; lines "name value" both ways

my %status = (
  bootId => first_line('/proc/sys/kernel/random/boot_id'), writes => 0, syncs => 0, verified => 0, bad => 0, errors => 0, sweeps => 0,
  slowestDiskMs => 0, memoryPages => 0, memoryBad => 0, kernelErrors => 0, workersLost => 0, lastProblem => '',
  outsideLines => 0, outsideWrong => 0, outsideGapMs => 0, outsideLost => '',
  outsideFetches => 0, outsideFailed => 0, outsideSlowestMs => 0, outsideSeen => '',
);

sub start_worker {
  my ($name, $main) = @_;
  socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC or die "socketpair: $!";
  my $pid = fork // die "fork: $!";
  if ($pid) { $ours->blocking(0); return $ours }    # a stalled worker must not stall whoever gives it orders
  close $ours;
  $0 = "load: $name";
  eval { $main->($theirs); 1 } or syswrite $theirs, "lastProblem $name worker: " . ($@ =~ s/\n/ /gr) . "\n";
  exit 1;
}

# Waits for the next round, obeying lines from the network process meanwhile. Returns how many seconds of work are due.
sub next_round {
  my ($channel, $commands, @rates) = @_;
  my $due_at = ($channel->{round} //= now()) + ((grep { $load{$_} > 0 } @rates) ? TICK : IDLE_TICK);
  while ((my $wait = $due_at - now()) > 0) {
    my $ready = '';
    vec($ready, fileno $channel->{socket}, 1) = 1;
    obey($channel, $commands) if select($ready, undef, undef, $wait) > 0;
  }
  my $elapsed = now() - $channel->{round};
  $channel->{round} += $elapsed;
  return $elapsed > CATCH_UP ? CATCH_UP : $elapsed;
}

sub obey {
  my ($channel, $commands) = @_;
  sysread($channel->{socket}, $channel->{in}, 4096, length($channel->{in} // '')) or exit 0;
  while ($channel->{in} =~ s/^(\w+) ?([^\n]*)\n//) {
    $load{$1} = $2 if exists $load{$1};
    $commands->{$1}->() if $commands->{$1};
  }
}

sub report {
  my ($channel, $counters) = @_;
  my $text = join '', map { "$_ $counters->{$_}\n" } sort keys %$counters;
  syswrite $channel->{socket}, $text if $text ne ($channel->{last} // '');
  $channel->{last} = $text;
}

# ---- the disk writer

# Buffers for O_DIRECT must be aligned: finds the first page boundary inside a string that is never resized.
sub aligned_buffer {
  my $arena = "\0" x (2 * PAGE);
  substr($arena, 0, 1) = "\1";    # gives the string a buffer of its own before its address is taken
  return (\$arena, -unpack('j', pack 'P', $arena) & (PAGE - 1));
}

# magic, sequence, byte offset, first half of the boot id; content; sum of the 32-bit words before it
sub record {
  my ($sequence, $offset) = @_;
  my $body = 'SCREC001' . pack('q<q<', $sequence, $offset) . pack('H16', $status{bootId} =~ s/-//gr) . content($sequence, PAGE - 36);
  return $body . pack('V', unpack('%32V*', $body) & 0xffffffff);
}

sub open_region {
  my $bytes = int($load{region}) * MEBI;
  my $block = -b $disk;
  lay_out_file($bytes) if !$block && (-s $disk // 0) < $bytes;
  sysopen my $file, $disk, O_RDWR | O_DIRECT or die "open $disk: $!";
  my $size = sysseek $file, 0, 2;
  $bytes = $size if $size < $bytes;
  return ($file, int($bytes / PAGE));
}

# Real blocks, not holes: a write must not become an allocation later.
sub lay_out_file {
  my ($bytes) = @_;
  open my $file, '>', $disk or die "create $disk: $!";
  for (1 .. $bytes / MEBI) {
    print $file $pool x (MEBI / length $pool) or die "fill $disk: $!";
  }
  $file->flush && $file->sync or die "fill $disk: $!";
}

sub run_disk {
  my ($socket) = @_;
  my ($file, $slots) = open_region();
  my ($arena, $skip) = aligned_buffer();
  my ($sequence, $unsynced, $write_due, $read_due) = (0, 0, 0, 0);
  my (@held, @known);    # slot => the last acknowledged sequence; the slots that have one
  my %count = (writes => 0, syncs => 0, verified => 0, bad => 0, errors => 0, sweeps => 0, slowestDiskMs => 0, lastProblem => '');

  my $fail = sub { my ($counter, $text) = @_; $count{$counter}++; $count{lastProblem} = $text; return };
  my $timed = sub {
    my ($what, $slot, $request) = @_;
    my $start = now();
    my $done = $request->();
    my $reason = $!;
    my $ms = int(1000 * (now() - $start));
    $count{slowestDiskMs} = $ms if $ms > $count{slowestDiskMs};
    return $done || $fail->('errors', "$what of slot $slot: $reason");
  };
  my $write = sub {
    my $slot = int rand $slots;
    substr($$arena, $skip, PAGE) = record(++$sequence, $slot * PAGE);
    my $known = defined $held[$slot];
    my $done = $timed->('write', $slot, sub {
      sysseek($file, $slot * PAGE, 0) && (syswrite($file, $$arena, PAGE, $skip) // 0) == PAGE });
    if (!$done) { $held[$slot] = 0 if $known; return }    # unknown until written again: the old or the new record may be there
    $held[$slot] = $sequence;
    push @known, $slot if !$known;
    $count{writes}++;
    return if ++$unsynced < $load{sync};
    $unsynced = 0;
    $count{syncs}++ if $timed->('fsync', $slot, sub { $file->sync });
  };
  my $check = sub {
    my ($slot) = @_;
    return if !$held[$slot];
    $timed->('read', $slot, sub {
      sysseek($file, $slot * PAGE, 0) && (sysread($file, $$arena, PAGE, $skip) // 0) == PAGE }) or return;
    my $found = substr $$arena, $skip, PAGE;
    if ($found eq record($held[$slot], $slot * PAGE)) { $count{verified}++; return }
    my ($magic, $sequence_found) = unpack 'a8q<', $found;
    $sequence_found = 'none' if $magic ne 'SCREC001';
    $fail->('bad', "slot $slot at byte " . $slot * PAGE . ": wanted record $held[$slot], found $sequence_found");
  };
  my $sweep = sub { $check->($_) for @known; $count{sweeps}++ };

  my $channel = {socket => $socket};
  report($channel, \%count);
  while (1) {
    my $seconds = next_round($channel, {verify => $sweep}, 'writes', 'reads');
    $write_due += $seconds * $load{writes};
    $read_due += $seconds * $load{reads};
    for (; $write_due >= 1; $write_due--) { $write->() }
    for (; $read_due >= 1; $read_due--) { $check->($known[rand @known]) if @known }
    report($channel, \%count);
  }
}

# ---- the memory dirtier

# Walks round the buffer page by page; each page is compared with what was put there one round earlier, then overwritten.
sub run_memory {
  my ($socket) = @_;
  my %count = (memoryPages => 0, memoryBad => 0);
  my ($buffer, $pages, $page, $round, $due) = ('', 0, 0, 0, 0);
  my $expected = sub { my ($at_round) = @_; return content($at_round * 1000003 + $page + 1, PAGE) };
  my $step = sub {
    my $old = substr $buffer, $page * PAGE, PAGE;
    $count{memoryBad}++ if $round > 0 && $old ne $expected->($round - 1);
    substr($buffer, $page * PAGE, PAGE) = $expected->($round);
    $count{memoryPages}++;
    if (++$page == $pages) { $page = 0; $round++ }
  };
  my $resize = sub {
    ($buffer, $pages, $page, $round) = ('', int($load{buffer} * MEBI / PAGE), 0, 0);
    vec($buffer, $pages * PAGE - 1, 8) = 0;
  };

  my $channel = {socket => $socket};
  $resize->();
  report($channel, \%count);
  while (1) {
    my $seconds = next_round($channel, {buffer => $resize}, 'dirty');
    $due += $seconds * $load{dirty} * 1e6 / PAGE;
    for (; $due >= 1; $due--) { $step->() }
    report($channel, \%count);
  }
}

# ---- the network process

my (%peer, %worker, %listener);
my $reads = IO::Select->new;
my $kernel_log;

sub listen_on {
  my ($port, $kind) = @_;
  my $socket = IO::Socket::INET->new(LocalPort => $port, Listen => 64, ReuseAddr => 1, Blocking => 0) or die "listen on port $port: $@";
  $listener{fileno $socket} = $kind;
  $reads->add($socket);
}

sub status_json {
  $status{uptimeSeconds} = 0 + (split ' ', first_line('/proc/uptime'))[0];
  my @fields = map { qq("$_":) . json_value($status{$_}) } sort keys %status;
  my $parameters = join ',', map { qq("$_":$load{$_}) } sort keys %load;
  return '{' . join(',', @fields) . qq(,"load":{$parameters}});
}

sub json_value {
  my ($value) = @_;
  return $value if $value =~ /^-?\d+(\.\d+)?$/;
  return '"' . $value =~ s/[^\x20-\x7e]/?/gr =~ s/(["\\])/\\$1/gr . '"';
}

sub accept_peer {
  my ($socket) = @_;
  my $client = $socket->accept or return;
  return if keys %peer >= PEERS_MAX;
  $client->blocking(0);
  $client->setsockopt(SOL_SOCKET, SO_KEEPALIVE, 1);
  my $kind = $listener{fileno $socket};
  $peer{fileno $client} = {socket => $client, kind => $kind, in => '', out => $kind eq 'control' ? status_json() . "\n" : ''};
  $reads->add($client);
  flush_peer($peer{fileno $client});
}

my %ANSWER = (
  echo => sub { my ($peer) = @_; $peer->{out} .= $peer->{in}; $peer->{in} = '' },
  control => sub { my ($peer) = @_; $peer->{out} .= command($1) . "\n" while $peer->{in} =~ s/^([^\n]*)\n// },
  http => sub {
    my ($peer) = @_;
    return if $peer->{in} !~ /\r?\n\r?\n/;
    my ($code, $body) = $peer->{in} =~ m{^GET /(status\.json)? } ? ('200 OK', status_json()) : ('404 Not Found', '{}');
    $peer->{out} = "HTTP/1.1 $code\r\nContent-Type: application/json\r\nContent-Length: " . length($body) . "\r\nConnection: close\r\n\r\n$body";
    $peer->{closing} = 1;
  },
);

sub command {
  my ($line) = @_;
  my ($name, $value) = split ' ', $line;
  return status_json() if !defined $name || $name eq 'status';
  return order('disk', 'verify') if $name eq 'verify';
  return order('outside', "outside $value") if $name eq 'outside' && ($value // '') =~ /^\d+(\.\d+){3}$/;
  my $problem = $name eq 'region' ? 'region is fixed at boot' : parse_parameter($name, $value // '');
  return '{"error":' . json_value($problem) . '}' if $problem;
  return order($PARAMETER{$name}[3], "$name $load{$name}");
}

sub order {
  my ($name, $line) = @_;
  syswrite $_->{socket}, "$line\n" for grep { $_->{name} eq $name } values %worker;
  return status_json();
}

sub read_peer {
  my ($peer) = @_;
  my $got = sysread $peer->{socket}, $peer->{in}, 65536, length $peer->{in};
  return if !defined $got && $!{EAGAIN};
  return drop_peer($peer) if !$got;
  $ANSWER{$peer->{kind}}->($peer);
  return drop_peer($peer) if length $peer->{in} > LINE_MAX;
  flush_peer($peer);
}

sub flush_peer {
  my ($peer) = @_;
  my $sent = syswrite $peer->{socket}, $peer->{out};
  return drop_peer($peer) if !defined $sent && !$!{EAGAIN};
  substr($peer->{out}, 0, $sent // 0) = '';
  return drop_peer($peer) if $peer->{closing} && $peer->{out} eq '';
  length $peer->{out} > BACKLOG_MAX ? $reads->remove($peer->{socket}) : $reads->add($peer->{socket});
}

sub drop_peer {
  my ($peer) = @_;
  $reads->remove($peer->{socket});
  delete $peer{fileno $peer->{socket}};
  close $peer->{socket};
}

sub read_worker {
  my ($worker) = @_;
  if (!sysread $worker->{socket}, $worker->{in}, 65536, length $worker->{in}) {
    $status{workersLost}++;
    $reads->remove($worker->{socket});
    return delete $worker{fileno $worker->{socket}};
  }
  while ($worker->{in} =~ s/^(\w+) ([^\n]*)\n//) { $status{$1} = $2 }
  announce() if !$worker->{ready}++;
}

# Once all workers have reported: the line that whoever booted this guest waits for.
my $waiting = 3;
sub announce {
  return if --$waiting;
  open my $console, '>', '/dev/console' or return;
  print $console "SUPERCLOUD-GUEST-READY\n";
}

sub read_kernel_log {
  while (defined(my $got = sysread $kernel_log, my $entry, 8192)) {
    return if !$got;
    $status{kernelErrors}++ if $entry =~ m{I/O error|lost async page write|EXT4-fs error|Remounting filesystem read-only};
  }
  read_kernel_log() if $!{EPIPE};    # older entries were overwritten: go on with the oldest that is left
}

sub write_status_file {
  return if $status_file eq '-';
  open my $file, '>', "$status_file.new" or return;
  print $file status_json(), "\n";
  close $file and rename "$status_file.new", $status_file;
}

sub serve {
  my ($socket) = @_;
  my $id = fileno($socket) // return;    # closed earlier in this round
  return accept_peer($socket) if $listener{$id};
  return read_worker($worker{$id}) if $worker{$id};
  return read_kernel_log() if $socket == $kernel_log;
  read_peer($peer{$id}) if $peer{$id};
}

read_boot_parameters();
$SIG{PIPE} = 'IGNORE';
sysopen $kernel_log, '/dev/kmsg', O_RDONLY | O_NONBLOCK or die "/dev/kmsg: $!";
require($0 =~ s{[^/]*$}{outside.pl}r);
my %main = (disk => \&run_disk, memory => \&run_memory, outside => \&run_outside);
for my $name (keys %main) {
  my $socket = start_worker($name, $main{$name});
  $worker{fileno $socket} = {socket => $socket, name => $name, in => ''};
  $reads->add($socket);
}
listen_on(7, 'echo');
listen_on(9, 'control');
listen_on($http_port, 'http') if $http_port;
$reads->add($kernel_log);
my $written = 0;
while (1) {
  my $writes = IO::Select->new(map { $_->{socket} } grep { $_->{out} ne '' } values %peer);
  my ($readable, $writable) = IO::Select->select($reads, $writes, undef, $status_file eq '-' ? undef : 1);
  serve($_) for @{$readable // []};
  for my $socket (@{$writable // []}) { my $peer = $peer{fileno($socket) // -1}; flush_peer($peer) if $peer }
  if (now() - $written >= 1) { $written = now(); write_status_file() }
}
