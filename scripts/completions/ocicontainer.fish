# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_ocicontainer_global_optspecs
    string join \n h/help V/version
end

function __fish_ocicontainer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_ocicontainer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_ocicontainer_using_subcommand
    set -l cmd (__fish_ocicontainer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -s V -l version -d 'Print version'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "serve" -d 'Serve the API until SIGTERM; containers keep running when it ends'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "list" -d 'List all containers'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "ps" -d 'List all containers with their figures'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "state" -d 'Print the state of a container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "info" -d 'Print what a container uses, or what the daemon is'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "inspect" -d 'Print everything that is known of containers'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "dump" -d 'Print the config.json that the runtime got for a container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "stats" -d 'Print what containers use, again every second, until interrupted'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "top" -d 'Print the processes of a container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "run" -d 'Run a container to its end, with its output and its exit code'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "start" -d 'Start a container from an OCI bundle'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "start-spec" -d 'Start a container from a legacy Dobby specification'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "convert-spec" -d 'Write a legacy Dobby specification as an OCI bundle, without the daemon'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "stop" -d 'Stop containers: SIGTERM, then SIGKILL after the stop timeout'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "kill" -d 'Send a signal to the first process of containers'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "restart" -d 'Stop containers and start them again as they were'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "pause" -d 'Freeze running containers'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "resume" -d 'Thaw paused containers'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "unpause" -d 'Thaw paused containers'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "hibernate" -d 'Have memcr write out the memory of a running container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "wakeup" -d 'Wake up a hibernated container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "annotate" -d 'Make an annotation on a container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "remove-annotation" -d 'Remove an annotation of a container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "mount" -d 'Mount a directory of the host in a running container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "unmount" -d 'Take out again what mount put into a container'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "exec" -d 'Run a command in a running container and exit with its exit code'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "attach" -d 'Attach to a running container: its output from now on, its input'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "logs" -d 'Print the end of a container\'s output'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "wait" -d 'Wait until containers are gone and print their exit status, or until they run'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "delete" -d 'Remove containers with all their state'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "rm" -d 'Remove containers with all their state'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "events" -d 'Print events as they happen, until interrupted'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "version" -d 'Print the versions of this program and of the daemon'
complete -c ocicontainer -n "__fish_ocicontainer_needs_command" -f -a "dumps" -d 'List and summarise crash dumps; works without the daemon'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l config -d 'Settings file [default: /etc/ocicontainer.toml, if there is one]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l log-level -d 'Minimum level to log: error, warn, info, debug; SIGHUP reads it again [default: info]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l listen -d 'TCP address to answer on [default: 127.0.0.1:9998]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l socket -d 'Unix socket to answer on [default: /run/ocicontainer.sock]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l socket-group -d 'Numeric id of the group that may use the Unix socket [default: the daemon\'s own]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l dbus -d 'Answer on D-Bus as Dobby does: system, or a bus\'s address (unix:path=PATH) [default: not at all]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l dbus-allow-uid -d 'User id allowed over D-Bus, in addition to root, the daemon\'s own and the socket\'s group; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l runtime -d 'OCI runtime: crun, runc, youki, or a path [default: crun]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l runtime-root -d 'The runtime\'s --root [default: the runtime\'s own]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l state-dir -d 'Directory for the daemon\'s own state, one subdirectory per container [default: /run/ocicontainer]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l log-dir -d 'Directory for the output of containers [default: /var/log/ocicontainer]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l log-limit -d 'Maximum output kept per container, in bytes [default: 1048576]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l stop-timeout -d 'Time from SIGTERM to SIGKILL, in seconds [default: 10]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l runtime-timeout -d 'Timeout of a runtime call in seconds, hooks included [default: 30]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l bundle-root -d 'Directory that bundles must lie below; may be repeated [default: anywhere]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l bundle-owner -d 'User id, or range of them, that bundles may belong to, or mapped-root: then they may ask for nothing that only root may; may be repeated [default: root only]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l bundle-group -d 'Group id of the host, or range of them, that containers of such bundles may have, besides the bundle\'s; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l bundle-mount -d 'Directory of the host that such bundles may mount from; may be repeated' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l bundle-log -d 'Directory of the host that such bundles may have their output written to; may be repeated' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l bundle-plugin -d 'Plugin that such bundles may ask for; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l hook -d 'The oci-minidump-hook to register in bundles that ask for it [default: the installed one]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l dobby-settings -d 'Dobby\'s settings, for containers started from a specification [default: /etc/dobby.json]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l allow-origin -d 'Web origin whose pages may call the API, exactly as browsers send it, or * for any; may be repeated [default: none]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l allow-host -d 'Additional host name that clients may use, with or without port; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l tcp-allow-uid -d 'User id allowed over loopback TCP, in addition to root and the daemon\'s own; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l token-file -d 'File with the bearer token that TCP clients must present' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l plugin-config -d 'Thunder plugin file (JSON): callsign, classname, locator, autostart' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l callsign -d 'The plugin\'s callsign [default: org.rdk.OCIContainer]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l api -d 'Version of the plugin\'s interface that clients are written for: 1.0.8 has states in upper case [default: 1.0.4]' -r -f -a "1.0.4\t'States as `Running`'
1.0.8\t'States as `RUNNING`'"
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l memcr-socket -d 'memcr\'s Unix socket, for hibernation [default: /tmp/memcrcom]' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l autostart -d 'Whether the plugin answers before Controller.1.activate [default: true]' -r -f -a "true\t''
false\t''"
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l no-tcp -d 'Answer on the Unix socket only'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l no-page -d 'Do not serve the page for browsers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l fresh -d 'Remove the containers of an earlier daemon, as Dobby does, and do not adopt them'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -l tcp-read-only -d 'Allow only read-only methods over TCP'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand list" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand list" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand list" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -s f -l filter -d 'Only containers with this id, state or exit code: id=TEXT (a part of it), state=STATE, exited=CODE; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -s n -l last -d 'Only this many, of those that have ended, too: those that run, the newest first, then those that ended last' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -l format -d 'How to print them' -r -f -a "table\t'Columns'
json\t'One line of JSON, as --json'"
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -s q -l quiet -d 'Print ids only'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -s a -l all -d 'List the last containers that have ended, too, and how they ended'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand ps" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand state" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand state" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand state" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand info" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand info" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand info" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand inspect" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand inspect" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand inspect" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dump" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dump" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dump" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stats" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stats" -l no-stream -d 'Print it once'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stats" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stats" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand top" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand top" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand top" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -l env -d 'Environment variable for the container; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -l westeros -d 'Westeros display socket to mount into the container' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -s d -l detach -d 'Leave it running, and print its descriptor'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -l raw -d 'Print control characters as they are, also on a terminal'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -s i -l interactive -d 'Keep its standard input open, for run and attach'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -s t -l tty -d 'Give it a terminal; Ctrl-P, then Ctrl-Q, detaches run and attach from it'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand run" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -l env -d 'Environment variable for the container; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -l westeros -d 'Westeros display socket to mount into the container' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -s i -l interactive -d 'Keep its standard input open, for run and attach'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -s t -l tty -d 'Give it a terminal; Ctrl-P, then Ctrl-Q, detaches run and attach from it'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start-spec" -l env -d 'Environment variable for the container; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start-spec" -l westeros -d 'Westeros display socket to mount into the container' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start-spec" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start-spec" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand start-spec" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand convert-spec" -l to -d 'Directory to make: config.json and rootfs' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand convert-spec" -l dobby-settings -d 'Dobby\'s settings' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand convert-spec" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stop" -s t -l time -d 'Time from SIGTERM to SIGKILL in seconds [default: the daemon\'s stop timeout]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stop" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stop" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stop" -s f -l force -d 'Send SIGKILL immediately'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stop" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand stop" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand kill" -s s -l signal -d 'Name, with or without SIG, or number of the signal; real-time ones are RTMIN+N or RTMAX-N. KILL ends a container for good, as stop --force does' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand kill" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand kill" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand kill" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand kill" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand restart" -s t -l time -d 'Time from SIGTERM to SIGKILL in seconds [default: the daemon\'s stop timeout]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand restart" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand restart" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand restart" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand restart" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand pause" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand pause" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand pause" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand pause" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand resume" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand resume" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand resume" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand resume" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unpause" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unpause" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unpause" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unpause" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand hibernate" -l dest -d 'Directory for the memory [default: memcr\'s own]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand hibernate" -l compress -d 'Compression: lz4 or zstd [default: memcr\'s own]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand hibernate" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand hibernate" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand hibernate" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wakeup" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wakeup" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wakeup" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand annotate" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand annotate" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand annotate" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand remove-annotation" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand remove-annotation" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand remove-annotation" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand mount" -s o -l options -d 'Flags with commas between them: rbind, ro, noexec and others of mount(8)' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand mount" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand mount" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand mount" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unmount" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unmount" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand unmount" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -l option -d 'Option of the runtime\'s exec, such as --option --cwd=/tmp; may be repeated' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -l timeout -d 'Timeout of the command in seconds; it is killed then [with --json: 30, else none]' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -s i -l interactive -d 'Pass standard input on even if it is a terminal; without this, only if it is not one'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -s t -l tty -d 'Give the command a terminal; with -i it is yours'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -s d -l detach -d 'Launch the command and return at once; its output goes to the container\'s log'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -l raw -d 'For older scripts: output is passed on unchanged anyway'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand exec" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand attach" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand attach" -l no-stdin -d 'Leave its input alone; several can do so at a time'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand attach" -l raw -d 'Print control characters as they are, also without a terminal of the container\'s'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand attach" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand attach" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -l bytes -d 'Maximum number of bytes; without --since and --tail, 65536' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -s n -l tail -d 'Only this many lines of the end, each of them whole' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -l since -d 'Begin with the first line of this time: 2026-11-27T10:00:00Z, or how long ago (30min, 2h)' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -s f -l follow -d 'Go on printing until the container has ended'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -s t -l timestamps -d 'Print in front of each line when it came, or - when that is not known'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -l raw -d 'Print control characters as they are, also on a terminal'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand logs" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wait" -l timeout -d 'Timeout in seconds, for all of them together' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wait" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wait" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand wait" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand delete" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand delete" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand delete" -s f -l force -d 'Stop them first if they run'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand delete" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand delete" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand rm" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand rm" -l all -d 'All containers'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand rm" -s f -l force -d 'Stop them first if they run'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand rm" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand rm" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand events" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand events" -l since -d 'Begin with what came after the event with this number (its `sequence`), or at this time: 2026-11-27T10:00:00Z, or how long ago (30min, 2h)' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand events" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand events" -l no-stream -d 'End with what has happened by now'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand events" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand version" -l socket -d 'The daemon\'s Unix socket' -r -F
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand version" -l json -d 'Print the API\'s result as one line of JSON'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand version" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and not __fish_seen_subcommand_from list info" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and not __fish_seen_subcommand_from list info" -f -a "list" -d 'List the dumps in directories, newest first'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and not __fish_seen_subcommand_from list info" -f -a "info" -d 'Summarise crashes from their minidumps'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -l container -d 'Only dumps of this container' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -l program -d 'Only dumps of programs with this file name' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -l since -d 'No older dumps: 2026-11-27, 2026-11-27T10:00:00Z, or how long ago (30min, 2h, 7d)' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -l until -d 'No newer dumps' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -l last -d 'At most this many dumps, the newest' -r
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -l json -d 'Print a JSON array'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from info" -l json -d 'Print a JSON array'
complete -c ocicontainer -n "__fish_ocicontainer_using_subcommand dumps; and __fish_seen_subcommand_from info" -s h -l help -d 'Print help'
