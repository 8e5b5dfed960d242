# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_oci_minidump_hook_global_optspecs
    string join \n config= added= settings= h/help V/version
end

function __fish_oci_minidump_hook_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_oci_minidump_hook_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_oci_minidump_hook_using_subcommand
    set -l cmd (__fish_oci_minidump_hook_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "add" -d 'register the hook in a bundle, and add a minidump directory'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "remove" -d 'take the hook and its section out of a bundle'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "check" -d 'say what the hook would do for a bundle, or what is wrong and where'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "doctor" -d 'say whether dumps will arrive on this host, or what to do'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "enable" -d 'set up an engine so that it calls the hook, or the kernel'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "harvest" -d 'take the dumps out of an image, or out of running containers'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "sweep" -d 'harvest what poststop missed'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "notify" -d 'hand over the dumps that wait for it'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "list" -d 'list the dumps that were brought to this host, newest first'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "core" -d 'write a minidump of a crash (called by the kernel)'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_needs_command" -f -a "info" -d 'summarise crashes from their minidumps'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l container-source -d 'the directory in the container into which the crash handler writes' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l host-destination -d 'the directory on the host into which the dumps go' -r -f -a "(__fish_complete_directories)"
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l image -d 'the image that backs the directory (default: one in /var/lib/oci-minidump/images)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l imgsize -d 'its size in bytes, or with K, M or G (default 8M, at least 128K)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l required -d 'whether the container may only start with it (default true)' -r -f -a "true\t''
false\t''"
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand add" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand remove" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand remove" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand remove" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand remove" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand remove" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand check" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand check" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand check" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand check" -l json -d 'print the result as JSON'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand check" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand check" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -l crash -d 'run a container that crashes in each engine, and show that its dump arrives'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -l json -d 'print the result as JSON'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand doctor" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -l root -d 'the root directory of the host or image to change, in which the hook is installed' -r -f -a "(__fish_complete_directories)"
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -l dry-run -d 'only say what would be written'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -l undo -d 'take away what was written'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand enable" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -l to -d 'the directory into which the dumps go' -r -f -a "(__fish_complete_directories)"
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -l running -d 'harvest containers that run'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -l json -d 'print the result as JSON'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand harvest" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -l watch -d 'stay, and harvest containers while they run'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -l json -d 'print the result as JSON'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand sweep" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -l after -d 'first wait for the end of a process, 10 s at most (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -l now -d 'also dumps that wait for another attempt'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand notify" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l container -d 'only dumps of this container' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l program -d 'only dumps of programs with this file name' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l since -d 'no older dumps: 2026-11-27, 2026-11-27T10:00:00Z, or how long ago (30min, 2h, 7d)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l until -d 'no newer dumps' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l last -d 'at most this many dumps, the newest' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -l json -d 'print the result as JSON'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand list" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand core" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand core" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand core" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand core" -l pattern -d 'print the settings (sysctl.d) with which the kernel calls it, and change nothing'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand core" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand core" -s V -l version -d 'print the version'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand info" -l config -d 'plans as a JSON object {"paths": [...]}, instead of annotations and config.json (as a hook)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand info" -l added -d 'what \'add\' wrote to rdkPlugins.minidump, for engines that drop that section (as a hook)' -r
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand info" -l settings -d 'the administrator\'s settings (default /etc/oci-minidump.toml)' -r -F
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand info" -l json -d 'print the result as JSON'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand info" -s h -l help -d 'print help, also for each command'
complete -c oci-minidump-hook -n "__fish_oci_minidump_hook_using_subcommand info" -s V -l version -d 'print the version'
