await UnorderedFileServer.launch()
