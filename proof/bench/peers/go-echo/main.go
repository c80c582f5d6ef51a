// A line echo server on Go's net package, one goroutine a connection.
//
//	go-echo PORT stream|oneshot BACKLOG
//
// Go listens with net.core.somaxconn; BACKLOG is accepted and not used.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
)

const messageBytesMax = 16384

func serve(connection net.Conn, oneshot bool) {
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, messageBytesMax)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err := connection.Write(line); err != nil || oneshot {
			return
		}
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: go-echo PORT stream|oneshot BACKLOG")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:"+os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		go serve(connection, os.Args[2] == "oneshot")
	}
}
