// A TLS peer in Go: "serve ROOTS CHAIN KEY [ask]" answers lines in capitals,
// "call PORT ROOTS [CHAIN KEY]" says hello.  See test_peers_mldsa.py.
package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
)

func check(err error) {
	if err != nil {
		fmt.Println("refused", err)
		os.Exit(0)
	}
}

func pool(path string) *x509.CertPool {
	pem, err := os.ReadFile(path)
	check(err)
	made := x509.NewCertPool()
	made.AppendCertsFromPEM(pem)
	return made
}

func main() {
	words := os.Args[2:]
	if os.Args[1] == "serve" {
		serve(words[0], words[1], words[2], len(words) > 3)
	} else {
		call(words[0], words[1], words[2:])
	}
}

func serve(roots, chain, key string, ask bool) {
	pair, err := tls.LoadX509KeyPair(chain, key)
	check(err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}}
	if ask {
		config.ClientAuth = tls.RequireAndVerifyClientCert
		config.ClientCAs = pool(roots)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	check(err)
	var number string
	fmt.Sscanf(listener.Addr().String(), "127.0.0.1:%s", &number)
	fmt.Println("port", number)
	for {
		conn, err := listener.Accept()
		check(err)
		line, err := bufio.NewReader(conn).ReadBytes('\n')
		if err != nil {
			fmt.Println("refused", err)
		} else {
			conn.Write(bytes.ToUpper(line))
		}
		conn.Close()
	}
}

func call(port, roots string, own []string) {
	config := &tls.Config{RootCAs: pool(roots), ServerName: "localhost"}
	if len(own) == 2 {
		pair, err := tls.LoadX509KeyPair(own[0], own[1])
		check(err)
		config.Certificates = []tls.Certificate{pair}
	}
	conn, err := tls.Dial("tcp", "127.0.0.1:"+port, config)
	check(err)
	_, err = conn.Write([]byte("hello\n"))
	check(err)
	line, err := bufio.NewReader(conn).ReadBytes('\n')
	check(err)
	fmt.Print("answer ", string(line))
	conn.Close()
}
