// An echo server on Go's net package, one goroutine a connection.
//
//	go-echo PORT lines|oneshot|bytes BACKLOG
//
// Go listens with net.core.somaxconn; BACKLOG is accepted and not used.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
)

const messageBytesMax = 16384

func echoBytes(connection net.Conn) {
	defer connection.Close()
	io.Copy(connection, connection)
}

// Replies are gathered as long as a whole line is there to be answered.
func echoLines(connection net.Conn, oneshot bool) {
	defer connection.Close()
	reader := bufio.NewReaderSize(connection, messageBytesMax)
	writer := bufio.NewWriter(connection)
	for {
		line, err := reader.ReadSlice('\n')
		if err != nil {
			return
		}
		if _, err := writer.Write(line); err != nil {
			return
		}
		next, _ := reader.Peek(reader.Buffered())
		if oneshot || bytes.IndexByte(next, '\n') < 0 {
			if err := writer.Flush(); err != nil || oneshot {
				return
			}
		}
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: go-echo PORT lines|oneshot|bytes BACKLOG")
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
		if os.Args[2] == "bytes" {
			go echoBytes(connection)
		} else {
			go echoLines(connection, os.Args[2] == "oneshot")
		}
	}
}
