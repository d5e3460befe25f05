#!/usr/bin/env bash
# Runs a command with a throw-away PostgreSQL server beside it, and passes on its exit code:
#
#     ci/with-postgres.sh cargo test
#
# The command finds in its environment
#
#     HEADWATER_TEST_PG_URL   a superuser's URL; a test makes its own database from there
#     HEADWATER_TEST_PG_CA    the authority that signed the server's certificate, for sslmode=verify-full
#     HEADWATER_TEST_PG_CTL   a program: `stop` takes this server away, `start` brings it back on the same port
#
# Everything lives in one temporary folder that goes when the command ends, however it ends. Nothing is shared with a
# server that may already run on this machine, and several of these can run at once, also one inside another.
set -euo pipefail

die() {
    printf 'with-postgres: %s\n' "$*" >&2
    exit 1
}

[[ $# -gt 0 ]] || die 'usage: ci/with-postgres.sh COMMAND [ARGUMENT…]'
pg_bin=$("$(dirname "${BASH_SOURCE[0]}")/postgres-bin.sh") || die 'no PostgreSQL server here: run ci/install.sh'

child=
dir=$(mktemp -d "${TMPDIR:-/tmp}/headwater-pg.XXXXXX")
server=$dir/server # the only part that belongs to the server's user

clean_up() {
    trap '' INT TERM HUP
    # The data is thrown away, so the server need not write any of it back.
    [[ ! -x $dir/ctl ]] || "$dir/ctl" stop --mode=immediate || true
    rm -rf "$dir"
}
trap clean_up EXIT

# The command is asked to stop first: it may be closing connections that it still needs.
interrupted() {
    if [[ -n $child ]]; then
        kill -s "$1" "$child" 2>/dev/null || true
        wait "$child" || true
    fi
    exit "$2"
}
trap 'interrupted INT 130' INT
trap 'interrupted TERM 143' TERM
trap 'interrupted HUP 129' HUP

# run_logged COMMAND…: silent unless it fails.
run_logged() {
    "$@" >"$dir/setup.log" 2>&1 || die "$1 failed: $(cat "$dir/setup.log")"
}

# PostgreSQL refuses to run as root. It is also started away from the working directory, which its user may not read.
choose_server_user() {
    as_server=(env --chdir="$dir")
    install -d -m 700 "$server"
    [[ $EUID -eq 0 ]] || return 0
    server_user=nobody
    ! getent passwd postgres >/dev/null || server_user=postgres
    as_server+=(setpriv --reuid="$server_user" --regid="$(id -g "$server_user")" --clear-groups)
    chmod 711 "$dir"
}

hand_to_server() { [[ $EUID -ne 0 ]] || chown -R "$server_user" "$server"; }

# A private authority and a certificate for localhost. The settings are written out, as the machine's own
# openssl.cnf may add extensions of its own. The authority's key is not kept.
make_certificates() {
    local key=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -config "$dir/openssl.cnf")
    cat >"$dir/openssl.cnf" <<'CNF'
[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[localhost]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
CNF
    run_logged openssl req -x509 "${key[@]}" -extensions authority -days 30 -subj '/CN=Headwater test authority' \
        -keyout "$dir/ca.key" -out "$dir/ca.pem"
    run_logged openssl req "${key[@]}" -subj /CN=localhost -keyout "$server/tls.key" -out "$dir/tls.csr"
    run_logged openssl x509 -req -in "$dir/tls.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -set_serial 1 -days 30 \
        -extfile "$dir/openssl.cnf" -extensions localhost -out "$server/tls.crt"
    chmod 600 "$server/tls.key"
    chmod 644 "$dir/ca.pem"
    rm "$dir/ca.key" "$dir/tls.csr" "$dir/openssl.cnf"
}

init_data() {
    password=$(openssl rand -hex 16)
    (umask 077 && echo "$password" >"$server/password")
    hand_to_server
    run_logged "${as_server[@]}" "$pg_bin/initdb" --pgdata="$server/data" --username=headwater \
        --pwfile="$server/password" --auth=scram-sha-256 --locale=C.UTF-8 --encoding=UTF8 --no-sync
    rm "$server/password"
    cat >"$server/data/pg_hba.conf" <<'HBA'
# The password is asked for on the socket too; the replication entries of a stock file are left out.
local all all scram-sha-256
host all all 127.0.0.1/32 scram-sha-256
HBA
}

# Written last: it ends postgresql.conf, and where a setting is given twice the later one holds.
write_settings() {
    cat >>"$server/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$server'
max_connections = 300
ssl = on
ssl_cert_file = '$server/tls.crt'
ssl_key_file = '$server/tls.key'
# Only speed counts for data that nobody will read again.
fsync = off
synchronous_commit = off
full_page_writes = off
# Nobody's zone: a query that leans on the server's own zone gives an answer that no test expects.
timezone = 'Pacific/Chatham'
CONF
}

# The same program serves this script and the tests that take the database away. Each verb is content when there is
# nothing to do, so that a test may bring the server back whatever state it left.
write_ctl() {
    local pg_ctl
    pg_ctl=$(printf '%q ' "${as_server[@]}" "$pg_bin/pg_ctl" --pgdata="$server/data" --silent --wait)
    cat >"$dir/ctl" <<CTL
#!/usr/bin/env bash
# Stops or starts the one test server in this folder. Written by ci/with-postgres.sh.
set -euo pipefail
verb=\${1:-}
[[ \$# -eq 0 ]] || shift
running() { $pg_ctl status >/dev/null 2>&1; }
case \$verb in
start) running || $pg_ctl --log=$(printf '%q' "$server/log") start "\$@" ;;
stop) ! running || $pg_ctl stop --mode=fast "\$@" ;;
*)
    echo 'usage: ctl start|stop [options of pg_ctl]' >&2
    exit 2
    ;;
esac
CTL
    chmod 755 "$dir/ctl"
}

# A port is free until somebody else takes it, so the test of freedom is to start on it. All candidates lie below the
# range from which the kernel gives out ports, else a client could sit on ours while a test has the server stopped.
start_on_free_port() {
    local attempt
    for attempt in {1..20}; do
        port=$((20000 + RANDOM % 10000))
        write_settings
        "$dir/ctl" start >"$dir/setup.log" 2>&1 && return
        grep -q 'could not bind' "$server/log" || break
        : >"$server/log"
    done
    die "PostgreSQL did not start (attempt $attempt): $(cat "$dir/setup.log" "$server/log")"
}

choose_server_user
make_certificates
init_data
write_ctl
start_on_free_port

export HEADWATER_TEST_PG_URL=postgres://headwater:$password@localhost:$port/postgres
export HEADWATER_TEST_PG_CA=$dir/ca.pem
export HEADWATER_TEST_PG_CTL=$dir/ctl

# In the background, as bash answers a signal only between foreground commands. That takes the command's standard input
# and its reaction to Ctrl-C away, so both are given back.
env --default-signal=INT,QUIT "$@" <&0 &
child=$!
status=0
wait "$child" || status=$?
exit "$status"
