// A crash without a crash handler. Go's own runtime sees the signal first: with GOTRACEBACK=crash it ends by SIGABRT.
package main

func main() {
	var nothing *int
	*nothing = 1
}
