import ArgumentParser
import Logging
import TOMLKit
