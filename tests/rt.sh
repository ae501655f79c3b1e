#!/usr/bin/env bash
# A real Request Tracker 5 for tests, on loopback and a free port, with a database of its own.
#
#   tests/rt.sh start DIR     sets one up in DIR the first time, starts it, and waits for its first answer
#   tests/rt.sh stop DIR      ends that process, and only that; the tickets stay
#   tests/rt.sh available     says whether Debian's package is there or can be had (exit code 77 if not)
#
# DIR then holds: url, pid, token (the account of faultline, with only the rights that it needs),
# person_token (an operator's account), log. The queue is Incidents; its custom field FaultlineId.
# Debian's own Request Tracker, if one is set up on this machine, is not touched.
set -euo pipefail

script=rt
# shellcheck source=lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
share=/usr/share/request-tracker5
start_seconds=60
stop_seconds=10

need_package() {
  [ -x "$share/libexec/rt-server" ] && return
  command -v apt-get >/dev/null || skip 'request-tracker5 is not installed, and there is no apt-get'
  local as=() chosen
  [ "$(id -u)" -eq 0 ] || as=(sudo)
  "${as[@]}" apt-get update -qq || true
  chosen=$(apt-cache policy request-tracker5 2>/dev/null | sed -n 's/^ *Candidate: *//p')
  case $chosen in '' | '(none)') skip 'there is no package request-tracker5 here' ;; esac
  # Without a database of the package's: ours is in DIR.
  printf '%s\n' \
    'request-tracker5 request-tracker5/initial-root-password password faultline-tests' \
    'request-tracker5 request-tracker5/dbconfig-install boolean false' \
    'request-tracker5 request-tracker5/database-type select sqlite3' \
    | "${as[@]}" debconf-set-selections
  install_packages request-tracker5 rt5-db-sqlite rt5-standalone
}

# Our configuration and nothing of the machine's.
use_site() {
  export RT_SITE_CONFIG=$1/etc/RT_SiteConfig.pm
  export RT_SITE_CONFIG_DIR=$1/etc/RT_SiteConfig.d
}

write_site() {
  local dir=$1 port=$2
  mkdir -p "$dir/etc/RT_SiteConfig.d" "$dir/var" "$dir/sessions"
  cat >"$dir/etc/RT_SiteConfig.pm" <<SITE
Set(\$rtname, 'faultline.test');
Set(\$Organization, 'faultline.test');
Set(\$Timezone, 'UTC');
Set(\$WebDomain, '127.0.0.1');
Set(\$WebPort, $port);
Set(\$WebPath, '');
Set(\$WebBaseURL, 'http://127.0.0.1:$port');
Set(\$DatabaseType, 'SQLite');
Set(\$DatabaseName, '$dir/rtdb');
Set(\$DatabaseAdmin, '');
Set(\$MailCommand, 'testfile');
Set(\$WebSessionClass, 'Apache::Session::File');
Set(\$LogToSyslog, undef);
Set(\$LogToSTDERR, 'warning');
1;
SITE
}

# Queue, custom field, two accounts and their tokens: what docs/sinks.md asks of an administrator.
write_setup() {
  cat >"$1/setup.pl" <<'PERL'
use strict;
use warnings;
use lib '/usr/share/request-tracker5/lib', '/usr/local/share/request-tracker5/lib';
use RT -init;

my ($dir) = @ARGV;
my $system = RT->SystemUser;

sub must { my ($ok, $what) = @_; die "$what\n" unless $ok; return $ok }

my $queue = RT::Queue->new($system);
must($queue->Create(Name => 'Incidents', Description => 'Incidents'));

my $field = RT::CustomField->new($system);
must($field->Create(Name => 'FaultlineId', Type => 'FreeformSingle',
    LookupType => 'RT::Queue-RT::Ticket'));
must($field->AddToObject($queue));

sub account {
    my ($name, @rights) = @_;
    my $user = RT::User->new($system);
    must($user->Create(Name => $name, EmailAddress => "$name\@example.org", Privileged => 1));
    my $principal = $user->PrincipalObj;
    must($principal->GrantRight(Right => $_, Object => $queue)) for @rights;
    return $user;
}

sub token {
    my ($user, $file) = @_;
    my $token = RT::AuthToken->new($system);
    my ($ok, $message, $text) = $token->Create(Owner => $user->id, Description => 'tests');
    must($ok, $message);
    open(my $out, '>', "$dir/$file") or die "$dir/$file: $!\n";
    print {$out} $text;
    close($out) or die "$dir/$file: $!\n";
}

# Exactly the rights that docs/sinks.md asks for.
my @faultline = qw(SeeQueue ShowTicket ShowTicketComments CreateTicket CommentOnTicket ModifyTicket
    SeeCustomField ModifyCustomField);
token(account('faultline', @faultline), 'token');
token(account('operator', @faultline, qw(OwnTicket TakeTicket StealTicket ReassignTicket)),
    'person_token');
PERL
}

set_up() {
  local dir=$1
  [ -e "$dir/token" ] && return
  rm -f "$dir/rtdb"
  rt-setup-database-5 --action init --skip-create --prompt-for-dba-password 0 >"$dir/setup.log" 2>&1 \
    || { tail -20 "$dir/setup.log" >&2; die 'the database could not be made'; }
  write_setup "$dir"
  perl "$dir/setup.pl" "$dir" >>"$dir/setup.log" 2>&1 \
    || { tail -20 "$dir/setup.log" >&2; die 'queue, custom field and accounts could not be made'; }
}

start() {
  local dir port=
  mkdir -p "$1"
  dir=$(cd "$1" && pwd)
  need_package
  if [ -s "$dir/port" ]; then port=$(cat "$dir/port"); else free_port port; fi
  printf '%s' "$port" >"$dir/port"
  printf 'http://127.0.0.1:%s' "$port" >"$dir/url"
  write_site "$dir" "$port"
  use_site "$dir"
  set_up "$dir"
  # One process: it ends with its pid, and its database has one writer.
  "$share/libexec/rt-server" --server Standalone --host 127.0.0.1 --port "$port" \
    >>"$dir/log" 2>&1 </dev/null &
  printf '%s' "$!" >"$dir/pid"
  disown
  await_port "$port" "$(cat "$dir/pid")" "$start_seconds" || {
    tail -n 20 "$dir/log" >&2
    stop "$dir"
    die "it did not answer within $start_seconds s, or ended; see $dir/log"
  }
  say "answers at $(cat "$dir/url")"
}

stop() { stop_pid "$1/pid" 'rt-server' "$stop_seconds"; }

case "${1:-}" in
  start) start "${2:?DIR is missing}" ;;
  stop) stop "${2:?DIR is missing}" ;;
  available) need_package ;;
  *) die 'usage: tests/rt.sh start DIR | stop DIR | available' ;;
esac
