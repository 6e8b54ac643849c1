# The load's use of a host of the Internet, once it is told of one ("outside ADDRESS" on the control port): one connection on which the
# host sends a numbered line every 50 ms, for good, and every half second a new fetch, in turn of what the host calls us and of some
# bytes. Loaded by load.pl, whose subs it uses. It must never stall, whatever the network does.
use strict;
use warnings;
use Errno;
use IO::Select;
use IO::Socket::INET;

use constant {
  LINE_EVERY  => 0.05,     # seconds, as the host has it
  FETCH_EVERY => 0.5,
  FETCH_BYTES => 50_000,
  FETCH_LIMIT => 20,       # seconds until a fetch has failed
  TELL_EVERY  => 0.2,
};

sub outside_request {
  my ($host, $path) = @_;
  my $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => 80, Proto => 'tcp', Blocking => 0) or return;
  return {socket => $socket, path => $path, out => "GET $path HTTP/1.0\r\nHost: $host\r\n\r\n", in => '', begun => now(), broken => ''};
}

# Sends what is left to send and takes what has come. False when it is over.
sub outside_pump {
  my ($request) = @_;
  if ($request->{out} ne '') {
    my $sent = syswrite $request->{socket}, $request->{out};
    if (defined $sent) { substr($request->{out}, 0, $sent) = '' }
    elsif (!$!{EAGAIN}) { $request->{broken} = "$!"; return 0 }
    return 1 if $request->{out} ne '';
  }
  my $got = sysread $request->{socket}, $request->{in}, 65536, length $request->{in};
  return $got if defined $got;
  return 1 if $!{EAGAIN};
  $request->{broken} = "$!";
  return 0;
}

# What a fetch that is over has brought, of what was asked for; undefined when it is not that.
sub outside_body {
  my ($request) = @_;
  my ($head, $body) = split /\r\n\r\n/, $request->{in}, 2;
  return if $request->{broken} ne '' || !defined $body || $head !~ m{^HTTP/1\.\d 200 };
  return $body if $request->{path} eq '/' || length $body == FETCH_BYTES;
  return;
}

sub run_outside {
  my ($socket) = @_;
  my %count = (outsideLines => 0, outsideWrong => 0, outsideGapMs => 0, outsideLost => '',
    outsideFetches => 0, outsideFailed => 0, outsideSlowestMs => 0, outsideSeen => '');
  my $channel = {socket => $socket, in => ''};
  my ($host, $held, $next, $heard, $fetch, $fetch_due, $told) = ('', undef, 0, 0, undef, 0, 0);
  my $worst = sub { my ($counter, $seconds) = @_; my $ms = int(1000 * $seconds); $count{$counter} = $ms if $ms > $count{$counter} };

  # What was worst is forgotten at each order; the connection goes on unless it is to another host.
  my $obey = sub {
    sysread($socket, $channel->{in}, 4096, length $channel->{in}) or exit 0;
    while ($channel->{in} =~ s/^outside (\S+)\n//) {
      ($count{outsideGapMs}, $count{outsideSlowestMs}, $told) = (0, 0, 0);
      next if $host eq $1;
      ($host, $next, $heard, $fetch, $count{outsideLost}) = ($1, 0, now(), undef, '');
      $held = outside_request($host, '/lines') or $count{outsideLost} = "$!";
    }
  };
  my $listen = sub {
    my $goes_on = outside_pump($held);
    $held->{is_open} ||= $held->{in} =~ s/^.*?\r\n\r\n//s;
    while ($held->{is_open} && $held->{in} =~ s/^(\d+)\n//) {
      $count{$1 == $next ? 'outsideLines' : 'outsideWrong'}++;
      ($next, $heard) = ($1 + 1, now());
    }
    return if $goes_on;
    $count{outsideLost} = $held->{broken} || 'the host hung up';
    $held = undef;
  };
  my $fetch_on = sub {
    my $goes_on = outside_pump($fetch);
    my $took = now() - $fetch->{begun};
    $worst->('outsideSlowestMs', $took);
    return if $goes_on && $took < FETCH_LIMIT;
    my $body = $goes_on ? undef : outside_body($fetch);
    $count{defined $body ? 'outsideFetches' : 'outsideFailed'}++;
    $count{outsideSeen} = $body =~ s/[^\d.]//gr if defined $body && $fetch->{path} eq '/';
    ($fetch, $fetch_due) = (undef, $fetch->{begun} + FETCH_EVERY);
  };
  my $fetch_next = sub {
    my $path = $count{outsideFetches} % 2 ? '/bytes/' . FETCH_BYTES : '/';
    $fetch = outside_request($host, $path) and return;
    $count{outsideFailed}++;
    $fetch_due = now() + FETCH_EVERY;
  };

  report($channel, \%count);
  while (1) {
    my @open = grep { defined } $held, $fetch;
    my $reads = IO::Select->new($socket, map { $_->{socket} } @open);
    my $writes = IO::Select->new(map { $_->{socket} } grep { $_->{out} ne '' } @open);
    my ($readable) = IO::Select->select($reads, $writes, undef, $host eq '' ? undef : LINE_EVERY);
    $obey->() if grep { $_ == $socket } @{$readable // []};
    next if $host eq '';
    $listen->() if $held;
    $worst->('outsideGapMs', now() - $heard - LINE_EVERY) if $held;
    $fetch_on->() if $fetch;
    $fetch_next->() if !$fetch && now() >= $fetch_due;
    next if now() - $told < TELL_EVERY;
    $told = now();
    report($channel, \%count);
  }
}

1;
